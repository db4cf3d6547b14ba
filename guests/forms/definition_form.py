"""The editor of a definition: the text, what it was written from, and everything that is refused with its line."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.hypervisor.definition_rules import Problem
from guests.hypervisor.definition_text import digest_of
from guests.inventory.definitions import DefinitionVersion
from guests.inventory.models import Guest
from guests.operations.definition_checks import problems_in
from guests.operations.proposals import DefinitionProposal, propose

ROWS = 32
MOST_TOLD = 30  # problems at once


class DefinitionForm(forms.Form):
    """`newest` is what the next boot takes now; `base` what the text was written from: the same, or an earlier one."""

    xml = forms.CharField(
        strip=False,
        label=gettext_lazy("Domain XML of the next boot"),
        widget=forms.Textarea(
            attrs={
                "rows": ROWS,
                "wrap": "off",
                "spellcheck": "false",
                "autocapitalize": "none",
                "autocomplete": "off",
                "class": "gh-editor",
                "dir": "ltr",
            }
        ),
    )
    base = forms.IntegerField(widget=forms.HiddenInput, max_value=(1 << 63) - 1)
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, max_value=(1 << 63) - 1)  # brought back

    def __init__(self, data: Any = None, *, guest: Guest, by: AbstractBaseUser, newest: DefinitionVersion) -> None:
        super().__init__(data, auto_id="definition-%s", initial={"xml": newest.xml, "base": newest.pk})
        self.guest = guest
        self.by = by
        self.newest = newest
        self.problems: list[Problem] = []

    def clean_xml(self) -> str:
        # Browsers send CR LF.
        return str(self.cleaned_data["xml"]).replace("\r\n", "\n")

    @property
    def base_version(self) -> DefinitionVersion:
        """What the text was written from, as far as that is still known."""
        typed = str(self["base"].value() or "")
        known = typed.isascii() and typed.isdigit() and len(typed) < 19
        found = self.guest.definition_versions.filter(pk=int(typed)).first() if known else None
        return found or self.newest

    @property
    def is_outdated(self) -> bool:
        """Whether somebody changed the definition since the text was begun."""
        return self.base_version.digest != self.newest.digest

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "xml" not in cleaned or self.is_outdated:
            return cleaned
        self.problems = problems_in(
            cleaned["xml"], self.guest, self.by, base=self.newest.xml, brought_back=self.brought_back()
        )
        if self.problems:
            self.add_error("xml", [_said(problem) for problem in self.problems[:MOST_TOLD]])
        elif digest_of(cleaned["xml"]) == self.newest.digest:
            self.add_error("xml", _("This says what the definition says already: there is nothing to change."))
        return cleaned

    def brought_back(self) -> DefinitionVersion | None:
        """The version that the text began as, where it is one that is brought back."""
        number = self.cleaned_data.get("version")
        return self.guest.definition_versions.filter(pk=number).first() if number else None

    def submit(self) -> DefinitionProposal:
        """Keep it, to be looked at before it is asked for."""
        xml = self.cleaned_data["xml"]
        return propose(self.guest, xml, by=self.by, base=self.newest, brought_back=self.brought_back())


def _said(problem: Problem) -> str:
    if not problem.line:
        return problem.text
    return _("Line %(line)d: %(what)s") % {"line": problem.line, "what": problem.text}
