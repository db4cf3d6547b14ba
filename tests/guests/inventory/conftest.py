from __future__ import annotations

import pytest

from guests.inventory.host_inventory import HostInventory
from guests.inventory.leases import take_leases
from guests.inventory.models import Host


@pytest.fixture
def host(db: None) -> Host:
    return Host.objects.create(name="alpha", uri="test:///default")


@pytest.fixture
def inventory(host: Host) -> HostInventory:
    (lease,) = take_leases("me")
    return HostInventory(lease)
