"""How full a pool is, as a bar."""

from __future__ import annotations

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from guests.inventory.storage import Pool
from guests.templatetags.measures import bar_svg
from guests.units import size_text

register = template.Library()


@register.simple_tag
def fill(pool: Pool) -> SafeString | str:
    """The bar; nothing where its size is not known."""
    percent = pool.used_percent
    if percent is None:
        return ""
    label = _("%(used)s of %(all)s used") % {
        "used": size_text(pool.capacity_bytes - pool.available_bytes),
        "all": size_text(pool.capacity_bytes),
    }
    return bar_svg(float(percent), 0.0, None, escape(label))
