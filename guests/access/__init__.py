"""The one place that decides who may do what: sets for lists (`visible_to`), one guest for views (`guest_for`)."""

from guests.access.decisions import ACTIONS, Action, guest_for, hosts_visible_to, may, role_on, visible_to

__all__ = ["ACTIONS", "Action", "guest_for", "hosts_visible_to", "may", "role_on", "visible_to"]
