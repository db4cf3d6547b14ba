"""URLs of the console pages; `<uuid>` is `Guest.id`."""

from __future__ import annotations

from django.urls import path

from consoles.views import console_setting, text, vnc, wall

app_name = "consoles"
urlpatterns = [
    path("guests/consoles/", wall.wall, name="wall"),  # ?guest=…&guest=…: side by side
    path("guests/<uuid:guest_id>/console/text/", text.text_console, name="text-default"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/", text.text_console, name="text"),
    path("guests/<uuid:guest_id>/console/setting/", console_setting.console_setting, name="setting"),
    path("guests/<uuid:guest_id>/console/vnc/", vnc.vnc_console, name="vnc"),
    path("guests/<uuid:guest_id>/console/ticket/", vnc.vnc_ticket, name="ticket"),  # POST
]
