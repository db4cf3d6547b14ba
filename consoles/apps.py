"""The consoles app: tickets, sessions, the text broker and the VNC relay."""

from django.apps import AppConfig


class ConsolesConfig(AppConfig):
    """Text and graphical consoles."""

    name = "consoles"
    verbose_name = "Consoles"
