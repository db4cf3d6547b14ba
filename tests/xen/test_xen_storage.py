"""Pools of LVM and NFS on a real host that has both: made through the page, filled, kept while in use, and left.

The kernel of an ordinary test machine may have neither: the Xen host's is Debian's own.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.labs.product import Product
from tests.live.storage_client import StorageClient
from tests.live.text_client import WebSession

pytestmark = pytest.mark.timeout(600)

KEY = Path(os.environ.get("LAB", "/var/lib/virtlab")) / "ssh_key"
PORT = os.environ.get("GUESTHOUSE_TEST_XEN_SSH_PORT", "16522")
ROOT = "/var/lib/libvirt/pools"
MIB = 2**20
MAKE = """
mkdir -p /srv/export; rm -rf /srv/export/*; chmod 777 /srv/export; modprobe loop
grep -q /srv/export /etc/exports || echo '/srv/export 127.0.0.1(rw,no_root_squash,insecure,fsid=7)' >> /etc/exports
systemctl start nfs-server; exportfs -ra
vgs guesthouse 2>/dev/null || {
  rm -f /srv/vg.img; truncate -s 256M /srv/vg.img  # of a run that was cut off: its volume group is in it
  device=$(losetup --find --show /srv/vg.img); pvcreate -q -y $device; vgcreate -q guesthouse $device; }
"""
UNMAKE = "vgremove -q -f -y guesthouse || :; losetup -j /srv/vg.img | cut -d: -f1 | xargs -r losetup -d; rm -rf /srv/*"


def on_host(script: str) -> str:
    """What a script prints there. Raises CalledProcessError."""
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=20")
    command = ["ssh", "-q", *options, "-i", str(KEY), "-p", PORT, "root@127.0.0.1", "sh", "-e"]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=True, timeout=240).stdout


@pytest.fixture(scope="module")
def client(xen_uri: str) -> Iterator[StorageClient]:
    """Somebody signed in to a product over the host, which has a volume group and exports a directory to itself."""
    try:
        on_host("command -v vgcreate exportfs >/dev/null")
    except subprocess.CalledProcessError:
        pytest.skip("the host has no LVM or NFS: its image is older than this test")
    on_host(MAKE)
    product = Product({"real": xen_uri}, {"GUESTHOUSE_STORAGE_ROOTS": ROOT})
    yield StorageClient(WebSession(product.url, "admin", product.admin_password))
    product.close()
    for pool in ("lvm-pool", "nfs-pool"):
        with suppress(subprocess.CalledProcessError):
            on_host(f"virsh pool-destroy {pool}; virsh pool-undefine {pool}")
    on_host(UNMAKE)


def wait_for(client: StorageClient, path: str, pattern: str, seconds: float = 90) -> str:
    """The page, once the pattern is found in it."""
    deadline = time.monotonic() + seconds
    while not re.search(pattern, page := client.session.get(path)):
        if time.monotonic() > deadline:
            words = re.sub(r"<[^>]*>|\s+", " ", page)
            raise AssertionError(f"{pattern} is not in: {words}")
        time.sleep(0.5)
    return page


@pytest.mark.parametrize(
    ("pool", "fields", "format"),
    [
        ("lvm-pool", {"what": "logical", "group": "guesthouse"}, "raw"),
        ("nfs-pool", {"what": "netfs", "root": ROOT, "server": "127.0.0.1", "export": "/srv/export"}, "qcow2"),
    ],
)
def test_a_pool_is_made_filled_kept_while_in_use_and_left(
    client: StorageClient, pool: str, fields: dict[str, str], format: str
) -> None:
    session = client.session
    wrong = {**fields, **({"group": "nothing"} if pool == "lvm-pool" else {"export": "/srv/nothing"})}
    session.post("/storage/hosts/real/new/", name="wrong", **wrong)
    wait_for(client, "/operations/", r"Make a pool[\s\S]*wrong[\s\S]*[Ff]ailed|[Ff]ailed[\s\S]*Make a pool[\s\S]*wrong")
    assert "wrong" not in on_host("virsh pool-list --all --name").split()

    session.post("/storage/hosts/real/new/", name=pool, autostart="on", **fields)
    page = client.pool(pool, 90)
    wait_for(client, page, "Active")
    assert re.search(r"Autostart:\s+yes", on_host(f"virsh pool-info {pool}"))
    session.post(f"{page}volumes/new/", name="disk", capacity="64 MiB", format=format)
    wait_for(client, page, r"64\.0 MiB")

    content = random.Random(5).randbytes(3 * MIB)
    status, told = client.upload(page, "data", content)
    assert status == 200, told
    status, _headers, whole = client.ask("GET", f"{client.volume(page, 'data')}download/")
    assert (status, whole[: len(content)] == content) == (200, True)

    path = on_host(f"virsh vol-path disk --pool {pool}").strip()
    kind = "block" if pool == "lvm-pool" else "file"
    on_host(
        "virsh define /dev/stdin <<X\n<domain type='{type}'><name>keeper-7</name><memory unit='MiB'>64</memory>"
        "<os><type>{os}</type>{kernel}</os><devices><disk type='{kind}' device='disk'>"
        "<driver name='qemu' type='{format}'/><source {attribute}='{path}'/><target dev='{target}'/>"
        "</disk></devices></domain>\nX".format(
            **domain_words(), kind=kind, format=format, path=path, attribute="dev" if kind == "block" else "file"
        )
    )
    try:
        wait_for(client, page, "keeper-7")
        refused = session.post(f"{page}forget/")
        assert "Disks of keeper-7 are in it." in wait_for_message(client, refused, page)
        assert pool in on_host("virsh pool-list --all --name").split()
    finally:
        on_host("virsh undefine keeper-7")
    wait_for(client, page, r"^(?![\s\S]*keeper-7)")

    session.post(f"{page}stop/")
    wait_for(client, page, "Not active")
    assert ROOT + "/nfs-pool" not in on_host("cat /proc/mounts")
    session.post(f"{page}start/")
    wait_for(client, page, r"64\.0 MiB")
    if pool == "nfs-pool":
        assert re.search(rf"{ROOT}/nfs-pool nfs", on_host("cat /proc/mounts"))
    else:
        assert "disk" in on_host("lvs --noheadings -o lv_name guesthouse").split()
    session.post(f"{client.volume(page, 'disk')}delete/", confirm="disk")
    wait_for(client, page, r"^(?![\s\S]*<bdi>disk</bdi>)")
    session.post(f"{page}forget/")
    wait_for(client, "/storage/", rf"^(?![\s\S]*<bdi>{pool}</bdi>)")
    assert pool not in on_host("virsh pool-list --all --name").split()


def domain_words() -> dict[str, str]:
    """What a definition says on this host: Xen's, or another hypervisor's on which this is tried."""
    if "xen" in on_host("virsh uri"):
        kernel = "<kernel>/var/lib/guest/vmlinuz</kernel>"
        return {"type": "xen", "os": "linux", "kernel": kernel, "target": "xvda"}
    return {"type": "qemu", "os": "hvm", "kernel": "", "target": "vda"}


def wait_for_message(client: StorageClient, answer: str, page: str) -> str:
    """What was answered at once, or what the page of operations says a moment later."""
    return answer if "are in it" in answer else wait_for(client, "/operations/", "are in it")
