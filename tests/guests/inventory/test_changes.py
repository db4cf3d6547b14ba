from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, transaction

from guests.inventory.changes import ChangeFeed, Feed, announce, current_revision, next_revision

REPOSITORY = Path(__file__).resolve().parents[3]


def probe(url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.guests.inventory.feed_probe", *words],
        cwd=REPOSITORY,
        env={**os.environ, "GUESTHOUSE_DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output_of(process: subprocess.Popen[str], seconds: float = 60) -> list[str]:
    """Its lines, once it ended: its standard input is closed, which a watcher takes as the end."""
    try:
        return process.communicate(timeout=seconds)[0].splitlines()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database that several processes share."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgresql").url("feed")
    else:
        found = f"sqlite:///{tmp_path}/feed.sqlite3"
    migrating = probe(found, "migrate", "0")
    output_of(migrating, 120)
    assert migrating.returncode == 0
    return found


def test_processes_hear_of_each_others_commits_within_a_moment(url: str) -> None:
    watchers = [probe(url, "watch", "0") for _ in range(2)]
    for watcher in watchers:
        assert watcher.stdout is not None
        assert watcher.stdout.readline().startswith("ready")
    writers = [probe(url, "announce", "10") for _ in range(2)]
    written: dict[int, float] = {}
    for writer in writers:
        for line in output_of(writer):
            number, at = line.split()
            written.setdefault(int(number), float(at))
    assert max(written) == 20  # no number was given twice
    time.sleep(1.5)  # longer than the safety poll
    for lines in [output_of(watcher) for watcher in watchers]:
        heard = [(int(number), float(at)) for number, at in map(str.split, lines)]
        numbers = [number for number, _at in heard]
        assert numbers == sorted(numbers)
        assert numbers[-1] == 20
        delays = [max(0.0, at - written[number]) for number, at in heard if number in written]
        assert statistics.median(delays) < 0.15, delays  # 24 ms on a machine with nothing else to do


@pytest.mark.django_db(transaction=True)
def test_a_number_is_given_inside_a_transaction_only() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        next_revision(Feed.RIGHTS)
    with transaction.atomic():
        assert next_revision(Feed.RIGHTS) == current_revision(Feed.RIGHTS)


@pytest.mark.django_db(transaction=True)
def test_a_subscriber_hears_which_feed_moved_and_no_more_once_it_ended() -> None:
    heard: list[dict[Feed, int]] = []
    moved = threading.Event()

    def listen(feeds: dict[Feed, int]) -> None:
        heard.append(feeds)
        moved.set()

    def broken(feeds: dict[Feed, int]) -> None:
        raise RuntimeError("a subscriber that fails")

    feed = ChangeFeed()
    feed.subscribe(broken)
    unsubscribe = feed.subscribe(listen)
    feed.start()
    announce(Feed.RIGHTS)
    assert moved.wait(5)
    assert list(heard[0]) == [Feed.RIGHTS]
    unsubscribe()
    announce(Feed.RIGHTS)
    assert not threading.Event().wait(0.3)
    feed.stop()
    assert len(heard) == 1
    connection.close()
