"""What hosts tell of themselves, as offers: real texts of QEMU, what Xen's driver tells, libvirt's test driver."""

from __future__ import annotations

from pathlib import Path

from guests.hypervisor.capabilities import Offer, parse_capabilities, read_offers, with_domain_capabilities
from guests.hypervisor.connection import open_connection
from tests.labs.host_xml import HostXml

TEXTS = Path(__file__).parent / "capabilities"


def offers(name: str) -> list[Offer]:
    return [offer for offer, _emulator in parse_capabilities((TEXTS / name).read_text(), "x86_64")]


def test_qemu_offers_full_virtualisation_of_its_own_architecture_on_q35() -> None:
    (offer,) = offers("qemu.xml")
    assert (offer.key, offer.machine, offer.arch) == ("hvm-qemu", "q35", "x86_64")
    assert offer.firmwares == ("BIOS",)
    detailed = with_domain_capabilities(offer, (TEXTS / "qemu-domain.xml").read_text())
    assert detailed.maximum_vcpus == 288
    assert detailed.cpu_modes == ("maximum", "host-model", "custom")
    assert "sata" in detailed.disk_buses
    assert "virtio" in detailed.video_models
    assert "vnc" in detailed.graphics
    assert detailed.firmwares == ("BIOS",)


def test_uefi_is_offered_where_the_host_has_it() -> None:
    text = (TEXTS / "qemu-domain.xml").read_text()
    told = text.replace('<enum name="firmware" />', '<enum name="firmware"><value>efi</value></enum>')
    assert with_domain_capabilities(offers("qemu.xml")[0], told).firmwares == ("BIOS", "UEFI")


def test_kvm_comes_before_emulation() -> None:
    told = (
        (TEXTS / "qemu.xml")
        .read_text()
        .replace('<domain type="qemu" />', '<domain type="qemu" /><domain type="kvm" />')
    )
    assert [offer.key for offer, _emulator in parse_capabilities(told, "x86_64")] == ["hvm-kvm", "hvm-qemu"]


def test_xen_offers_full_and_para_virtualisation() -> None:
    assert [offer.key for offer in offers("xen.xml")] == ["hvm-xen", "xen-xen", "xenpvh-xen"]
    assert [offer.is_full for offer in offers("xen.xml")] == [True, False, False]
    assert [offer.firmwares for offer in offers("xen.xml")] == [("BIOS",), (), ()]


def test_a_driver_without_details_offers_what_it_has(host_xml: HostXml) -> None:
    connection = open_connection(host_xml.uri)
    try:
        assert [offer.key for offer in read_offers(connection)] == ["hvm-test", "xen-test"]
    finally:
        connection.close()
