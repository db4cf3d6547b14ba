"""Hosts of libvirt's in-process test driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from guests.hypervisor.connection import Connection, open_connection

RUNNING = UUID("5f3c1b0e-0000-4000-8000-000000000001")
SHUT_OFF = UUID("5f3c1b0e-0000-4000-8000-000000000002")
HOSTILE = UUID("5f3c1b0e-0000-4000-8000-000000000003")

HOST = f"""<node>
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>web-1</name><uuid>{RUNNING}</uuid>
  <memory unit='MiB'>512</memory><currentMemory unit='MiB'>256</currentMemory><vcpu current='1'>4</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><source file='/web-1.img'/><target dev='vda' bus='virtio'/></disk>
    <interface type='bridge'>
      <mac address='52:54:00:AA:00:01'/><source bridge='br0'/><target dev='testnet0'/>
    </interface>
    <graphics type='vnc' port='{{port}}' autoport='no' listen='127.0.0.1'/>
    <console type='pty'/><memballoon model='virtio'/>
  </devices>
</domain>
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <test:runstate>5</test:runstate>
  <name>backup-1</name><uuid>{SHUT_OFF}</uuid>
  <memory unit='MiB'>256</memory><currentMemory unit='MiB'>128</currentMemory><vcpu current='1'>2</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
</domain>
<domain type='test'>
  <name>&lt;img src=x onerror=alert(1)&gt; ' &quot; &#x202e; x</name><uuid>{HOSTILE}</uuid>
  <memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
</domain>
</node>"""


@pytest.fixture
def vnc_port(unused_tcp_port: int) -> int:
    """The port of web-1's VNC server; nobody listens there unless a test does."""
    return unused_tcp_port


@pytest.fixture
def host(tmp_path: Path, vnc_port: int) -> Iterator[Connection]:
    """web-1 (256 of 512 MiB, 1 of 4 vCPUs) and a guest with a hostile name run, backup-1 is shut off."""
    file = tmp_path / "host.xml"
    file.write_text(HOST.format(port=vnc_port))
    connection = open_connection(f"test://{file}")
    yield connection
    connection.close()
