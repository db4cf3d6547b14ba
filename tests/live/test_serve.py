"""`manage.py serve` as a user runs it: every process comes back when it dies, and none is left at the end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.processes import process, wait_until
from tests.labs.host_xml import HostXml
from tests.labs.product import Product

PROCESSES = ["web", "consoleserver", "hostworker"]


@pytest.fixture(scope="module")
def product_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product over a test-driver host: no guests need to boot for these tests."""
    host = HostXml(tmp_path_factory.mktemp("host") / "host.xml")
    host.add_guest("web-1")
    product = Product({"test": host.uri})
    yield product
    product.close()


@pytest.fixture
def served(product_of_module: Product) -> Product:
    """It runs, with all its processes."""
    product = product_of_module
    if not product.is_running():
        product.start()
    assert wait_until(lambda: sorted(product.pids) == sorted(PROCESSES), 60), product.pids
    return product


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_is_killed_comes_back(served: Product, name: str) -> None:
    before = served.pids[name]
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: served.pids.get(name, before) != before, 20), f"{name} did not come back"
    assert wait_until(served.answers, 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_within_ten_seconds_and_leaves_no_process(served: Product, number: signal.Signals) -> None:
    assert served.stop(number, seconds=10) == 0
    assert served.left_behind == []
    assert "Guesthouse has stopped." in served.log.read_text()


def test_killed_supervisor_leaves_no_process(served: Product) -> None:
    below = [found for found in map(process, served.pids.values()) if found]
    served.stop(signal.SIGKILL)
    assert len(below) == len(PROCESSES)
    assert wait_until(lambda: not [one for one in below if one.is_alive()], 10)


def test_starts_again_with_the_same_data(served: Product) -> None:
    served.stop()
    served.start()
    assert served.manage("firstrun") == ""


def test_says_so_when_the_port_is_taken(served: Product) -> None:
    served.stop()
    with socket.create_server(("127.0.0.1", served.port)), pytest.raises(AssertionError, match="Choose another port"):
        served.start()


def test_F11_no_process_is_started_with_a_secret_among_its_arguments(served: Product) -> None:
    assert served.environment["GUESTHOUSE_ADMIN_PASSWORD"] == served.admin_password
    for name, pid in served.pids.items():
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        assert words[2:] == [name, ""] and served.admin_password not in " ".join(words), words


def test_raises_the_limit_of_open_files(served: Product) -> None:
    for name, pid in served.pids.items():
        with Path(f"/proc/{pid}/limits").open() as limits:
            line = next(line for line in limits if line.startswith("Max open files"))
        soft, hard = line.split()[3:5]
        assert int(soft) >= min(int(hard), 65536), name
