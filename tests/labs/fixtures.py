"""Fixtures of live and browser tests: `lab`, `product`, `start_product`, `host_xml`; `postgresql`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.labs.host_xml import HostXml
from tests.labs.installed import missing
from tests.labs.lab import Lab
from tests.labs.postgresql import SERVERS, PostgreSQL, running_postgresql
from tests.labs.product import Product
from tests.labs.two_hosts import TwoHosts


@pytest.fixture(scope="session")
def lab_of_session() -> Iterator[Lab]:
    """One lab per test process, brought up by the first test that wants it."""
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def lab(lab_of_session: Lab) -> Lab:
    """A private libvirtd: web-1 and db-1 run (booting, perhaps: `wait_until_booted`), backup-1 is shut off."""
    lab_of_session.restore()
    return lab_of_session


@pytest.fixture(scope="session")
def product_of_session(lab_of_session: Lab) -> Iterator[Product]:
    """One running product per test process, against the lab."""
    product = Product({"lab": lab_of_session.uri})
    yield product
    product.close()


@pytest.fixture
def product(lab: Lab, product_of_session: Product) -> Product:
    """The running product, its host `lab` restored to its three guests."""
    if not product_of_session.is_running():
        product_of_session.start()
    return product_of_session


@pytest.fixture
def start_product() -> Iterator[Callable[..., Product]]:
    """Start a product of the test's own: `start_product({"name": "uri"}, {"GUESTHOUSE_…": "…"})`."""
    started: list[Product] = []

    def start(hosts: dict[str, str], settings: dict[str, str] | None = None) -> Product:
        product = Product(hosts, settings)
        started.append(product)
        return product

    yield start
    for product in started:
        product.close()


@pytest.fixture(scope="session")
def two_hosts() -> Iterator[TwoHosts]:
    """Two hosts of one test process, brought up by the first test that wants them: leave their guests to others."""
    hosts = TwoHosts.up()
    yield hosts
    hosts.down()


@pytest.fixture
def host_xml(tmp_path: Path) -> HostXml:
    """A host of libvirt's test driver: add guests, then open its `uri`."""
    return HostXml(tmp_path / "host.xml")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server of this test process; `postgresql.url("name")` makes a database."""
    if not SERVERS:
        missing("PostgreSQL's server is not installed: apt-get install postgresql")
    with running_postgresql() as server:
        yield server
