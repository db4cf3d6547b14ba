"""`manage.py consoleserver`: the process that holds every console: the text broker and the VNC relay."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from consoles.sessions import LiveSessions
from consoles.text.broker import TextBroker
from consoles.vnc.server import VNCServer
from guests.hypervisor.connection import start_event_loop
from guests.inventory.changes import ChangeFeed

logger = logging.getLogger(__name__)

END_SECONDS = 2.8  # after SIGTERM, whatever still hangs


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT."""

    help = "Serve text and graphical consoles."

    def handle(self, *args: Any, **options: Any) -> None:
        raise_descriptor_limit()
        start_event_loop()
        feed = ChangeFeed()
        sessions = LiveSessions()
        sessions.start(feed)
        feed.start()
        relay = VNCServer(sessions, feed)
        relay.start()
        connections.close_all()
        try:
            asyncio.run(_serve(sessions, feed))
        finally:
            for end in (relay.stop, sessions.stop, feed.stop):
                end()
        logger.info("the console server stopped")
        logging.shutdown()
        sys.stderr.flush()
        # A thread that hangs in libvirt must not come back into an interpreter that is being taken down.
        os._exit(0)


def raise_descriptor_limit() -> None:
    """To the hard limit: two descriptors for each graphical console, one for each text console."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(sessions: LiveSessions, feed: ChangeFeed) -> None:
    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()

    def end() -> None:
        # libvirt and the database may hang; the supervisor must not wait for them.
        watchdog = threading.Timer(END_SECONDS, os._exit, [0])
        watchdog.daemon = True
        watchdog.start()
        asked_to_end.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    broker = TextBroker(sessions, settings.CONSOLE_SOCKET, feed=feed)
    await broker.start()
    logger.info("text consoles at %s", settings.CONSOLE_SOCKET)
    try:
        await asked_to_end.wait()
    finally:
        await broker.stop()
