"""libvirt's event loop: one daemon thread per process, registered before the first connection is opened."""

from __future__ import annotations

import functools
import logging
import threading
import time

import libvirt

logger = logging.getLogger(__name__)


def _ignore(_context: object, _error: object) -> None:
    """Libvirt prints each error on stderr unless a handler is there; ours are raised and translated."""


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            logger.exception("libvirt's event loop failed; it goes on")
            time.sleep(0.1)


@functools.cache
def start_event_loop() -> None:
    """Start the loop once per process; without it keepalive, events and streams do not work. Do not fork after it."""
    libvirt.registerErrorHandler(_ignore, None)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
