"""`manage.py grant`: give, take and list roles from the command line."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from guests.access.granting import Holder, Object, grant, revoke
from guests.access.models import UNLIMITED, Grant, Limits, Role
from guests.access.naming import guests_called
from guests.inventory.models import Guest, Host, Tag
from guests.units import KIB_PER_MIB


class Command(BaseCommand):
    """Usage: grant anna operator --tag web; grant --group ops watcher --everything; grant --list."""

    help = "Give (or, with --revoke, take) one role to a user or a group on everything, a host, a tag or a guest."

    def add_arguments(self, parser: CommandParser) -> None:
        """USER|--group GROUP ROLE --everything|--host|--tag|--guest."""
        parser.add_argument("words", nargs="*", metavar="USER ROLE", help="with --group, --list or --revoke: fewer")
        parser.add_argument("--group", help="a group instead of a user; it is made if it does not exist")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--everything", action="store_true")
        what.add_argument("--host", metavar="NAME")
        what.add_argument("--tag", metavar="NAME", help="it is made if it does not exist")
        what.add_argument("--guest", metavar="NAME-OR-UUID")
        parser.add_argument("--largest-memory", metavar="MIB", type=int, help="the most an operator may give a guest")
        parser.add_argument("--most-vcpus", metavar="NUMBER", type=int, help="the most an operator may give a guest")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--revoke", action="store_true", help="take the role away; ROLE may be left out")
        act.add_argument("--list", action="store_true", help="show the grants, of one user or group if named")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, take or give."""
        words: list[str] = list(options["words"])
        if options["list"]:
            self._list(words, options["group"])
            return
        holder = self._holder(words, options["group"], make=not options["revoke"])
        role = self._role(words, needed=not options["revoke"])
        if words:
            raise CommandError(f"What is {words[0]!r}? Say USER ROLE, and what it is on.")
        on = self._object(options)
        if options["revoke"]:
            self._revoke(holder, role, on)
        else:
            assert role is not None
            self.stdout.write(_plain(str(grant(role, holder, on, by=None, limits=self._limits(role, options)))))

    @staticmethod
    def _limits(role: Role, options: dict[str, Any]) -> Limits:
        memory_mib, vcpus = options["largest_memory"], options["most_vcpus"]
        limits = Limits(None if memory_mib is None else memory_mib * KIB_PER_MIB, vcpus)
        if limits != UNLIMITED and role != Role.OPERATOR:
            raise CommandError("Only operators have limits: a watcher resizes nothing, an administrator everything.")
        if any(value is not None and value < 1 for value in (memory_mib, vcpus)):
            raise CommandError("A limit is a number above 0.")
        return limits

    def _list(self, words: list[str], group: str | None) -> None:
        grants = Grant.objects.select_related("user", "group", "host", "tag", "guest", "guest__host")
        if words or group:
            grants = grants.filter(**_holding(self._holder(words, group, make=False)))
        for found in grants:
            self.stdout.write(_plain(str(found)))
        if not grants:
            self.stdout.write("No grants.")

    def _revoke(self, holder: Holder, role: Role | None, on: Object) -> None:
        named = {"scope": "everything"} if on is None else {type(on).__name__.lower(): on}
        grants = Grant.objects.filter(**_holding(holder), **named)
        found = (grants.filter(role=role) if role else grants).first()
        if found is None:
            raise CommandError("There is no such grant; `manage.py grant --list` shows them all.")
        text = str(found)
        revoke(found, by=None)
        self.stdout.write(_plain(f"taken away: {text}"))

    @staticmethod
    def _holder(words: list[str], group: str | None, *, make: bool) -> Holder:
        if group:
            if make:
                return Group.objects.get_or_create(name=group)[0]
            found = Group.objects.filter(name=group).first()
            if found is None:
                raise CommandError(f"There is no group {group!r}.")
            return found
        if not words:
            raise CommandError("Name a user, or a group with --group.")
        name = words.pop(0)
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no user {name!r}.")
        return user

    @staticmethod
    def _role(words: list[str], *, needed: bool) -> Role | None:
        if not words:
            if needed:
                raise CommandError(f"Name a role: {', '.join(Role.values)}.")
            return None
        word = words.pop(0)
        if word not in Role.values:
            raise CommandError(f"{word!r} is no role: {', '.join(Role.values)}.")
        return Role(word)

    @staticmethod
    def _object(options: dict[str, Any]) -> Object:
        if options["everything"]:
            return None
        if options["host"]:
            host = Host.objects.filter(name=options["host"]).first()
            if host is None:
                raise CommandError(f"There is no host {options['host']!r}.")
            return host
        if options["tag"]:
            return Tag.objects.get_or_create(name=options["tag"])[0]
        if options["guest"]:
            return _one_guest(options["guest"])
        raise CommandError("Say what it is on: --everything, --host, --tag or --guest.")


def _holding(holder: Holder) -> dict[str, Any]:
    return {"group": holder} if isinstance(holder, Group) else {"user": holder}


def _one_guest(text: str) -> Guest:
    """By name among those that are there, by libvirt's UUID, or by our id. CommandError unless it is exactly one."""
    found = guests_called(text)
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"There is no guest {text!r}.")
    lines = "\n".join(f"  {guest.pk}  on {guest.host.name}" for guest in found)
    raise CommandError(_plain(f"{len(found)} guests are called {text!r}; name one by its id:\n") + f"\n{lines}")


def _plain(text: str) -> str:
    """Without what could steer a terminal: guests may have any name."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
