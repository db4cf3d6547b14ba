"""URLs of the console pages; `<uuid>` is `Guest.id`."""

from __future__ import annotations

from django.urls import path

from consoles.views import console_devices, console_log, console_setting, people, screen_recordings, text, vnc, wall

app_name = "consoles"
urlpatterns = [
    path("guests/consoles/", wall.wall, name="wall"),  # ?guest=…&guest=…: side by side
    path("guests/<uuid:guest_id>/console/text/", text.text_console, name="text-default"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/", text.text_console, name="text"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log/", text.past, name="past"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log/overview/", console_log.overview, name="log-overview"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log/search/", console_log.search, name="log-search"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log/lines/", console_log.lines, name="log-lines"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log.txt", console_log.as_text, name="log-text"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log.cast", console_log.as_cast, name="log-cast"),
    path("guests/<uuid:guest_id>/console/text/<slug:device>/log/play.cast", console_log.play, name="log-play"),
    path("guests/<uuid:guest_id>/console/setting/", console_setting.console_setting, name="setting"),
    path("guests/<uuid:guest_id>/console/add-serial/", console_devices.add_serial, name="add-serial"),  # POST
    path("guests/<uuid:guest_id>/console/add-graphics/", console_devices.add_graphics, name="add-graphics"),  # POST
    path("guests/<uuid:guest_id>/console/keep-inside/", console_devices.keep_inside, name="keep-inside"),  # POST
    path("guests/<uuid:guest_id>/console/text/<slug:device>/host-log/", console_devices.host_log, name="host-log"),
    path("guests/<uuid:guest_id>/console/vnc/", vnc.vnc_console, name="vnc"),
    path("guests/<uuid:guest_id>/console/people/", people.people, name="people"),
    path("guests/<uuid:guest_id>/console/people/send-away/", people.send_away, name="send-away"),  # POST
    path("guests/<uuid:guest_id>/console/recordings/", screen_recordings.recordings, name="recordings"),
    path(
        "guests/<uuid:guest_id>/console/recordings/<uuid:recording_id>/",
        screen_recordings.recording,
        name="recording",
    ),
    path(
        "guests/<uuid:guest_id>/console/recordings/<uuid:recording_id>/play.rfb",
        screen_recordings.play,
        name="recording-play",
    ),
    path(
        "guests/<uuid:guest_id>/console/recordings/<uuid:recording_id>/download.rfb",
        screen_recordings.download,
        name="recording-download",
    ),
    path(
        "guests/<uuid:guest_id>/console/recordings/<uuid:recording_id>/delete/",
        screen_recordings.delete,
        name="recording-delete",
    ),  # POST
    path("guests/<uuid:guest_id>/console/ticket/", vnc.vnc_ticket, name="ticket"),  # POST
]
