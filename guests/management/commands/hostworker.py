"""`manage.py hostworker`: the inventory, events, samples and operations of the hosts that it leases."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand

from guests.worker.worker import Worker

MOST_SECONDS_TO_END = 2.8


class Command(BaseCommand):
    """Run one host worker until SIGTERM or SIGINT."""

    help = "Read the hosts named by GUESTHOUSE_HOSTS and run what was asked of their guests."

    def handle(self, *args: Any, **options: Any) -> None:
        worker = Worker()

        def end(_number: int, _frame: object) -> None:
            worker.stop()
            # Whatever hangs, a worker that was told to end is gone in time.
            timer = threading.Timer(MOST_SECONDS_TO_END, os._exit, args=(0,))
            timer.daemon = True
            timer.start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        worker.run()
        logging.shutdown()
        sys.stderr.flush()
        # A thread that hangs in libvirt must not hold up the interpreter's own end.
        os._exit(0)
