"""A field for an amount of memory, typed with its unit; cleaned, it is KiB."""

from __future__ import annotations

from typing import Any

from django import forms

from guests.forms.amounts import Unreadable, UnreadableAmount, parse_amount
from guests.forms.memory_form import UNREADABLE


class AmountField(forms.CharField):
    """`zero`: whether nothing is an amount, too. MiB where no unit is typed."""

    def __init__(self, *, zero: bool = False, **options: Any) -> None:
        super().__init__(max_length=40, **options)
        self.zero = zero

    def clean(self, value: Any) -> int | None:
        """None for an empty field that may be so."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_amount(text, "MiB")
        except UnreadableAmount as error:
            if self.zero and error.reason is Unreadable.ZERO:
                return 0
            raise forms.ValidationError(UNREADABLE[error.reason]) from error
