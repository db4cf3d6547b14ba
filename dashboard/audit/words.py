"""Lines of the audit record in words: what was done, and from what to what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.audit.models import AuditRecord
from guests.operations.host_kinds import HOST_KINDS
from guests.operations.kinds import KINDS

VALUE_LENGTH = 200
# Asked for, or chosen as the beginning of several.
GROUPS: dict[str, str | Promise] = {
    "access": gettext_lazy("Roles"),
    "account": gettext_lazy("Sign-ins and passwords"),
    "audit": gettext_lazy("Exports of the audit record"),
    "console": gettext_lazy("Consoles"),
    "groups": gettext_lazy("Groups"),
    "guest": gettext_lazy("Guests"),
    "host": gettext_lazy("Hosts"),
    "people": gettext_lazy("People"),
    "request": gettext_lazy("Refused requests"),
    "storage": gettext_lazy("Storage"),
    "status": gettext_lazy("Status pages"),
    "token": gettext_lazy("Tokens"),
}
ACTIONS: dict[str, str | Promise] = {
    "access.grant": gettext_lazy("Gave a role"),
    "access.revoke": gettext_lazy("Took a role away"),
    "account.password": gettext_lazy("Changed the password"),
    "account.second_factor": gettext_lazy("Changed the second step"),
    "account.sessions": gettext_lazy("Signed out elsewhere"),
    "account.second_step": gettext_lazy("Second step of a sign-in"),
    "account.sign_in": gettext_lazy("Sign-in"),
    "account.sign_out": gettext_lazy("Signed out"),
    "audit.export": gettext_lazy("Exported the audit record"),
    "console.close": gettext_lazy("Left a console"),
    "console.export": gettext_lazy("Took a console's log or recording"),
    "console.open": gettext_lazy("Opened a console"),
    "console.power": gettext_lazy("Power, from a console"),
    "console.record": gettext_lazy("Recorded a console's screen"),
    "console.recording_delete": gettext_lazy("Deleted a recording"),
    "console.send_away": gettext_lazy("Sent somebody away from a console"),
    "console.setting": gettext_lazy("Changed how consoles are shared"),
    "console.take_keyboard": gettext_lazy("Took the keyboard"),
    "console.take_over": gettext_lazy("Took a console over"),
    "groups.add": gettext_lazy("Put somebody into a group"),
    "groups.delete": gettext_lazy("Deleted a group"),
    "groups.make": gettext_lazy("Made a group"),
    "groups.remove": gettext_lazy("Took somebody out of a group"),
    "groups.rename": gettext_lazy("Renamed a group"),
    "guest.moved": gettext_lazy("Went to another host"),
    "guest.tags": gettext_lazy("Changed the tags"),
    "guest.take_definition": gettext_lazy("Took a definition as a file"),
    "people.change": gettext_lazy("Changed an account"),
    "people.delete": gettext_lazy("Deleted an account"),
    "people.first_administrator": gettext_lazy("Made the first administrator"),
    "people.make": gettext_lazy("Made an account"),
    "people.password": gettext_lazy("Set somebody's password"),
    "people.second_factors": gettext_lazy("Reset somebody's second step"),
    "people.sessions": gettext_lazy("Signed somebody out everywhere"),
    "request.denied": gettext_lazy("Asked for what is not theirs"),
    "status.change": gettext_lazy("Changed a status page"),
    "status.delete": gettext_lazy("Deleted a status page"),
    "status.make": gettext_lazy("Made a status page"),
    "storage.download": gettext_lazy("Downloaded a volume"),
    "token.make": gettext_lazy("Made a token"),
    "token.revoke": gettext_lazy("Revoked a token"),
    "token.refused": gettext_lazy("Refused a token"),
}


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that a line tells: its name, what it was and what it is; `before` is "" where there was nothing."""

    name: str
    before: str
    value: str


def action_in_words(action: str) -> str:
    """A known action in the person's language; one that has no words yet as it is stored."""
    if known := ACTIONS.get(action):
        return str(known)
    room, _dot, rest = action.partition(".")
    kind, _dot, stage = rest.partition(".")
    if found := KINDS.get(kind) if room == "guest" else HOST_KINDS.get(kind) if room == "host" else None:
        label = str(found.label)
        words = {"": label, "cancel": _("Asked to end: %(what)s"), "ended": _("Ended: %(what)s")}
        return words.get(stage, action) % {"what": label} if stage else label
    return action


def details_of(line: AuditRecord) -> list[Detail]:
    """What a line tells beside its columns; of before and after only what differs."""
    told = dict(line.detail)
    before, after = told.pop("before", None), told.pop("after", None)
    if after is None and "asked" in told:
        after = told.pop("asked")
    return [
        *_changes(before, after),
        *(Detail(name, "", _short(value)) for name, value in told.items() if _says(value)),
    ]


def _changes(before: Any, after: Any) -> list[Detail]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            Detail(name, _short(before[name]) if name in before else "", _short(value))
            for name, value in after.items()
            if before.get(name) != value
        ]
    if isinstance(after, dict) and not before:
        return [Detail(name, "", _short(value)) for name, value in after.items() if _says(value)]
    if before is None and after is None:
        return []
    return [Detail("", _short(before) if _says(before) else "", _short(after) if _says(after) else "–")]


def _says(value: Any) -> bool:
    return value not in (None, "", [], {})


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"
