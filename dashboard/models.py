"""The models of this app's rooms, for Django to find."""

from dashboard.status.models import StatusPage, StatusPageGuest

__all__ = ["StatusPage", "StatusPageGuest"]
