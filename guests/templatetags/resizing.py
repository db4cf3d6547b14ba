"""What the script of a resize form works with: the guest's standing and the sentences, as JSON in data attributes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django import template

from guests.forms.resize_form import ResizeForm

register = template.Library()


@register.simple_tag
def standing_json(form: ResizeForm) -> str:
    """The standing, in KiB or vCPUs; escaped by the template."""
    guest = form.guest
    values: dict[str, Any] = asdict(form.standing)
    values |= {"guest": guest.name, "host": guest.host.name, "free": guest.host.free_memory_kib}
    values["total"] = guest.host.memory_kib
    return json.dumps(values)


@register.simple_tag
def texts_json(form: ResizeForm) -> str:
    """The sentences with their gaps; escaped by the template."""
    return json.dumps({name: str(text) for name, text in form.texts.items()})
