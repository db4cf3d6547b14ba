"""A process of its own that writes or watches: `python -m tests.guests.inventory.feed_probe announce|watch|migrate N`.

Prints one line per commit or per notice: the feed's number and time.monotonic(), which all processes share.
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
import django

django.setup()
from django.core.management import call_command  # noqa: E402

from guests.inventory.changes import ChangeFeed, Feed, announce, current_revision  # noqa: E402


def announce_many(many: int) -> None:
    for _ in range(many):
        announce(Feed.OPERATIONS)
        print(current_revision(Feed.OPERATIONS), time.monotonic(), flush=True)
        time.sleep(0.12)


def watch() -> None:
    """Until standard input ends."""
    feed = ChangeFeed()
    feed.subscribe(lambda feeds: print(feeds.get(Feed.OPERATIONS, 0), time.monotonic(), flush=True))
    feed.start()
    print("ready", 0, flush=True)
    sys.stdin.read()
    feed.stop()


if __name__ == "__main__":
    act, number = sys.argv[1], int(sys.argv[2])
    if act == "migrate":
        call_command("migrate", verbosity=0)
    elif act == "announce":
        announce_many(number)
    else:
        watch()
