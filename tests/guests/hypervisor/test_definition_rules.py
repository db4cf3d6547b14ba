"""E5: what a definition that somebody typed may not say, one sample each: who may add nothing, who may add volumes."""

# ruff: noqa: E501 (samples of XML)

from __future__ import annotations

import pytest

from guests.hypervisor.definition_rules import Permissions, Problem, macs_of, problems_of
from guests.hypervisor.xml_document import parse_document

BASE = """<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web-1</name>
  <uuid>5f3c1b0e-0000-4000-8000-000000000001</uuid>
  <description>/etc is a word here</description>
  <metadata><n:note xmlns:n='http://example.org/n'>old</n:note></metadata>
  <memory unit='KiB'>2097152</memory>
  <os>
    <type arch='x86_64'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>
    <kernel>/boot/vmlinuz</kernel>
    <cmdline>/sbin/init</cmdline>
  </os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/images/web-1.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <source file='/images/debian.iso'/>
      <target dev='sda' bus='sata'/>
      <readonly/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:00:00:0A'/>
      <source network='lan'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'><target port='0'/></serial>
    <hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/></source></hostdev>
    <graphics type='vnc' port='-1'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <seclabel type='none'/>
  <qemu:commandline><qemu:arg value='-old'/></qemu:commandline>
</domain>
"""
NOTHING = Permissions(
    path=lambda _path: "not yours",
    volume=lambda _place, _format: "not yours",
    taken=lambda *_asked: "",
    network=lambda _kind, _name: "not yours",
)
VOLUMES = Permissions(
    path=lambda path: "" if path == "/pool/vmlinuz" else "no volume",
    volume=lambda place, format_: (
        "" if {"/pool/a.qcow2": "qcow2", "pool/a": "raw"}.get(place) == format_ else "no volume"
    ),
    taken=lambda place, _format, writes, shareable: "taken" if place == "/pool/taken" and not shareable else "",
    network=lambda kind, name: "" if (kind, name) == ("network", "lan") else "not yours",
)
DISK = "<disk type='file' device='disk'><driver type='{}'/><source file='{}'/><target dev='vdb'/>{}</disk>"


def judged(xml: str, may: Permissions = NOTHING, *more: str) -> list[Problem]:
    return problems_of(parse_document(xml), [parse_document(text) for text in (BASE, *more)], may)


def with_device(device: str) -> str:
    return BASE.replace("  </devices>", f"{device}\n  </devices>")


def replaced(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


def line_of(xml: str, part: str) -> int:
    return xml[: xml.index(part)].count("\n") + 1


E5 = {
    "qemu:commandline": ("<qemu:arg value='-old'/>", "<qemu:arg value='-new'/>"),
    "emulator": ("<emulator>/usr/bin/qemu-system-x86_64", "<emulator>/tmp/evil"),
    "loader": ("/usr/share/OVMF/OVMF_CODE.fd", "/tmp/evil.fd"),
    "hostdev": ("<vendor id='0x1'/>", "<vendor id='0x2'/>"),
    "seclabel": ("<seclabel type='none'/>", "<seclabel type='static' model='dac'><label>root</label></seclabel>"),
    "n:note": (">old<", ">new<"),
    "lxc:namespace": ("</domain>", "<lxc:namespace xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'/></domain>"),
    "resource": ("<seclabel", "<resource><partition>/machine</partition></resource><seclabel"),
    "kernel": ("<kernel>/boot/vmlinuz", "<kernel>/etc/shadow"),
    "initrd": ("<cmdline>", "<initrd>/etc/shadow</initrd><cmdline>"),
    "initrd, not absolute": ("<cmdline>", "<initrd>../../etc/shadow</initrd><cmdline>"),
    "nvram template": ("<cmdline>", "<nvram template='/etc/shadow'/><cmdline>"),
    "acpi table": ("<cmdline>", "<acpi><table type='slic'>/etc/shadow</table></acpi><cmdline>"),
    "fwcfg": ("<os>", "<sysinfo type='fwcfg'><entry name='x' file='/etc/shadow'/></sysinfo><os>"),
    "bootloader": ("<os>", "<bootloader>/tmp/evil</bootloader><os>"),
    "uuid": ("000000000001</uuid>", "000000000002</uuid>"),
    "name": ("<name>web-1", "<name>web-2"),
    "two names": ("<uuid>", "<name>web-1</name><uuid>"),
    "format of a disk": ("type='raw'/>\n      <source file='/images/web-1.img'/>", "type='qcow2'/>\n      <source file='/images/web-1.img'/>"),
    "a disk's other file": ("/images/web-1.img", "/images/db-1.img"),
    "a medium that is written to": ("      <readonly/>\n", ""),
    "network": ("network='lan'", "network='dmz'"),
    "password": ("<graphics type='vnc'", "<graphics type='vnc' passwd='x'"),
    "entropy": (">/dev/urandom<", ">/dev/sda<"),
    "raw I/O": ("<disk type='file' device='disk'>", "<disk type='file' device='disk' rawio='yes'>"),
}  # fmt: skip
DEVICES = {
    "filesystem": "<filesystem type='mount'><source dir='/'/><target dir='x'/></filesystem>",
    "hostdev": "<hostdev mode='subsystem' type='pci'/>",
    "source protocol=": "<disk type='network'><source protocol='iscsi' name='x'><host name='evil'/></source></disk>",
    "any file": DISK.format("raw", "/etc/shadow", ""),
    "device of the host": "<disk type='block' device='disk'><source dev='/dev/sda'/><target dev='vdb'/></disk>",
    "directory": "<disk type='dir'><source dir='/'/></disk>",
    "backing file": DISK.format("qcow2", "/pool/a.qcow2", "<backingStore type='file'><source file='/x'/></backingStore>"),
    "label of a disk": DISK.format("raw", "/images/web-1.img", "").replace("/></disk>", "><seclabel relabel='no'/></target></disk>"),
    "secret": "<disk type='volume'><driver type='raw'/><source pool='pool' volume='a'><encryption format='luks'/></source></disk>",
    "LUN": DISK.format("raw", "pool/a", "").replace("device='disk'", "device='lun'"),
    "same disk again": DISK.format("raw", "/images/web-1.img", ""),
    "serial to a file": "<serial type='file'><source path='/etc/cron.d/x'/></serial>",
    "serial to the host": "<serial type='dev'><source path='/dev/ttyS0'/></serial>",
    "serial to a network": "<serial type='tcp'><source host='10.0.0.1' service='22'/></serial>",
    "serial's log": "<serial type='pty'><log file='/etc/cron.d/x'/></serial>",
    "channel with a path": "<channel type='unix'><source mode='bind' path='/run/x'/><target type='virtio'/></channel>",
    "channel with a volume's path": "<channel type='unix'><source path='/pool/vmlinuz'/></channel>",
    "direct NIC": "<interface type='direct'><mac address='52:54:00:00:00:0b'/><source dev='eth0'/></interface>",
    "NIC with a script": "<interface type='network'><source network='lan'/><script path='/tmp/x'/></interface>",
    "NIC of a device": "<interface type='hostdev'><source><address type='pci'/></source></interface>",
    "user NIC": "<interface type='user'/>",
    "port group": "<interface type='network'><source network='lan' portgroup='x'/></interface>",
    "TPM of the host": "<tpm><backend type='passthrough'/></tpm>",
    "entropy of somewhere": "<rng model='virtio'><backend model='egd' type='tcp'/></rng>",
    "input of the host": "<input type='evdev'><source dev='/dev/input/event0'/></input>",
    "shared memory": "<shmem name='x'/>",
    "smartcard": "<smartcard mode='host'/>",
    "sound of the host": "<audio id='1' type='file' path='/tmp/x'/>",
    "screen of the host": "<graphics type='sdl' display=':0'/>",
    "GPU of the host": "<graphics type='spice'><gl rendernode='/dev/dri/renderD128'/></graphics>",
    "memory in a file": "<memory model='nvdimm'><source><path>/etc/shadow</path></source></memory>",
    "ROM": "<interface type='network'><source network='lan'/><rom file='/etc/shadow'/></interface>",
    "foreign names": "<controller type='usb'><x:y xmlns:x='urn:x'/></controller>",
    "foreign attributes": "<controller type='usb' x:y='' xmlns:x='urn:x'/>",
    "a second list of devices": "</devices><devices><shmem name='x'/>",
}  # fmt: skip


@pytest.mark.parametrize("what", E5)
@pytest.mark.parametrize("may", [NOTHING, VOLUMES], ids=["guest", "host"])
def test_E5_what_reaches_out_of_the_guest_cannot_be_changed(what: str, may: Permissions) -> None:
    xml = replaced(*E5[what])
    found = judged(xml, may)
    assert found
    assert all(problem.line and problem.text for problem in found)


@pytest.mark.parametrize("what", DEVICES)
@pytest.mark.parametrize("may", [NOTHING, VOLUMES], ids=["guest", "host"])
def test_E5_no_device_that_reaches_out_of_the_guest_can_be_added(what: str, may: Permissions) -> None:
    xml = with_device(DEVICES[what])
    found = judged(xml, may)
    assert found
    assert {problem.line for problem in found} == {line_of(xml, DEVICES[what])}


def test_E5_each_is_named_with_its_line() -> None:
    xml = with_device("    <hostdev mode='capabilities'/>\n    <shmem name='x'/>").replace("-old", "-new")
    assert [(problem.line, problem.text.partition(" ")[0]) for problem in judged(xml)] == [
        (line_of(xml, "<hostdev mode='capabilities'"), "<hostdev>"),
        (line_of(xml, "<shmem"), "<shmem>"),
        (line_of(xml, "<qemu:commandline"), "<qemu:commandline>"),
    ]


def test_what_stands_may_stay_written_otherwise_too() -> None:
    assert judged(BASE) == []
    assert judged(BASE.replace("'", '"').replace("\n  ", "\n\t\t")) == []
    assert judged(BASE.replace("<domain type='kvm'", "<domain type='kvm' xmlns:new='urn:new'")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2097152", "4194304"),
        ("/etc is a word here", "/dev/sda"),
        ("/sbin/init", "/bin/sh"),
        ("bus='virtio'/>", "bus='virtio'/><boot order='1'/><iotune><total_iops_sec>9</total_iops_sec></iotune>"),
        ("<driver name='qemu' type='raw'/>", "<driver name='qemu' type='raw' cache='none'/>"),
        ("<model type='virtio'/>\n", "<model type='e1000'/><link state='down'/>\n"),
        ("<source file='/images/debian.iso'/>\n", ""),
        ("<serial type='pty'><target port='0'/></serial>", ""),
        ("<graphics type='vnc' port='-1'/>", "<graphics type='spice' autoport='yes'/><sound model='ich9'/>"),
        ("<memory ", "<cputune><shares>5</shares></cputune><memory "),
        ("<seclabel type='none'/>", ""),
    ],
)
def test_what_stays_inside_the_guest_can_be_changed(old: str, new: str) -> None:
    assert judged(replaced(old, new)) == []


def test_who_may_give_volumes_adds_them_as_they_are() -> None:
    for device in (
        DISK.format("qcow2", "/pool/a.qcow2", ""),
        "<disk type='volume' device='disk'><driver type='raw'/><source pool='pool' volume='a'/><target dev='vdb'/></disk>",
        "<interface type='network'><mac address='52:54:00:00:00:0b'/><source network='lan'/></interface>",
    ):
        assert judged(with_device(device), VOLUMES) == []
        assert judged(with_device(device), NOTHING)[0].text == "not yours"
    assert judged(replaced("/boot/vmlinuz", "/pool/vmlinuz"), VOLUMES) == []
    assert judged(with_device(DISK.format("raw", "/pool/a.qcow2", "")), VOLUMES)[0].text == "no volume"


def test_what_is_brought_back_may_come_back() -> None:
    earlier = with_device(DEVICES["filesystem"])
    assert judged(earlier, NOTHING, earlier) == []
    assert judged(earlier) != []


def test_a_disk_that_is_brought_back_must_be_nobody_else_s_by_now() -> None:
    for place, why in (("/images/old.img", []), ("/pool/taken", ["taken"])):
        earlier = with_device(DISK.format("raw", place, ""))
        assert [problem.text for problem in judged(earlier, VOLUMES, earlier)] == why
    shared = with_device(DISK.format("raw", "/pool/taken", "<shareable/>"))
    assert judged(shared, VOLUMES, shared) == []


def test_what_is_no_domain_is_refused() -> None:
    assert [problem.text for problem in judged("<network/>")] == ["The definition of a guest is a <domain>."]
    assert judged("<domain xmlns='urn:x'/>")


def test_macs_are_told_with_their_lines() -> None:
    assert macs_of(parse_document(BASE)) == [(line_of(BASE, "<interface"), "52:54:00:00:00:0a")]
