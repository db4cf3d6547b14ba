"""What needs a whole kernel under QEMU: weights and caps by control groups, rates of NICs by traffic control.

The kernel of an ordinary test machine may have neither; this is Debian's own, without Xen.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.labs.product import Product
from tests.live.text_client import WebSession
from tests.xen.conftest import LAB

pytestmark = pytest.mark.timeout(600)

USUAL_PERIOD = 100_000  # µs
GUEST, MAC = "6e5f1a52-8a51-4a0e-9d3b-4c2f9be1000a", "52:54:00:77:00:0a"
DEFINE = f"""
ip link show br0 >/dev/null 2>&1 || ip link add br0 type bridge; ip link set br0 up
virsh -q net-define /dev/stdin <<X
<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>
X
virsh -q net-start lan
virsh -q define /dev/stdin <<X
<domain type='qemu'><name>weighed</name><uuid>{GUEST}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type>hvm</type></os><devices><interface type='network'><mac address='{MAC}'/><source network='lan'/>
<model type='virtio'/></interface></devices></domain>
X
virsh -q start {GUEST}
"""


def on_host(script: str) -> str:
    """What a script prints there. Raises CalledProcessError."""
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=20")
    command = ["ssh", "-q", *options, "-i", str(LAB / "ssh_key"), "-p", "16622", "root@127.0.0.1", "sh", "-e"]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=True, timeout=240).stdout


@pytest.fixture(scope="module")
def session(plain_uri: str) -> Iterator[WebSession]:
    """Somebody signed in to a product over the host, on which a guest runs."""
    on_host(DEFINE)
    product = Product({"plain": plain_uri})
    yield WebSession(product.url, "admin", product.admin_password)
    product.close()
    on_host(f"virsh destroy {GUEST}; virsh undefine {GUEST}; virsh net-destroy lan; virsh net-undefine lan")


def until(found: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.5)


def page_of(session: WebSession) -> str:
    until(lambda: f"/guests/{GUEST}/" in session.get("/guests/"))
    return f"/guests/{GUEST}/"


def parameters(words: str) -> dict[str, int]:
    """What `virsh schedinfo` and `virsh domiftune` print."""
    return {name: int(value) for name, value in re.findall(r"^([\w.]+)\s*:\s*(-?\d+)$", words, re.MULTILINE)}


def test_weight_and_caps_are_what_the_host_s_control_groups_have(session: WebSession) -> None:
    page = page_of(session)
    session.post(
        f"{page}tuning/scheduling/", weight="321", cap_percent="150", vcpu_cap_percent="40", when="both", key="weigh"
    )

    def told(config: str) -> dict[str, int]:
        return parameters(on_host(f"virsh schedinfo {GUEST} {config}"))

    until(lambda: told("--live").get("cpu_shares") == 321)
    for when in ("--live", "--config"):
        found = told(when)
        assert found["cpu_shares"] == 321
        # What the definition leaves out is the usual period.
        assert found["global_quota"] * 100 == (found["global_period"] or USUAL_PERIOD) * 150
        assert found["vcpu_quota"] * 100 == (found["vcpu_period"] or USUAL_PERIOD) * 40
    groups = "/sys/fs/cgroup/machine.slice/*weighed*"
    assert "321" in on_host(f"cat $(find {groups} -name cpu.weight)").split()
    quota, period = on_host(f"cat $(find {groups} -path '*vcpu0*' -name cpu.max)").split()
    assert int(quota) * 100 == int(period) * 40
    text = session.get(f"{page}tuning/")
    assert 'value="321"' in text
    assert 'value="150"' in text


def test_rates_of_a_nic_are_what_the_host_s_traffic_control_has(session: WebSession) -> None:
    page = page_of(session)
    nic = {"source": "network:lan", "model": "virtio", "mac": MAC, "link_up": "on", "before_source": "lan"}
    session.post(f"{page}nics/{MAC}/", **nic, inbound="1024", outbound="512", when="both", key="limit")

    def told() -> dict[str, int]:
        return parameters(on_host(f"virsh domiftune {GUEST} {MAC}"))

    until(lambda: told().get("inbound.average") == 1024)
    assert told()["outbound.average"] == 512
    device = on_host(f"virsh -q domiflist {GUEST}").split()[0]
    assert re.search(r"class htb .* rate 8\S*bit", on_host(f"tc class show dev {device}"))
    assert "police" in on_host(f"tc filter show dev {device} ingress || tc filter show dev {device} parent ffff:")
    session.post(f"{page}nics/{MAC}/", **nic, inbound="", outbound="", when="both", key="free")
    until(lambda: told().get("inbound.average") == 0)
    assert "htb" not in on_host(f"tc qdisc show dev {device}")
