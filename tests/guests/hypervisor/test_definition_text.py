from __future__ import annotations

from pathlib import Path

import pytest

from guests.hypervisor.definition_text import as_at_rest, digest_of
from guests.hypervisor.xml_document import UnreadableDefinition

RUNNING = (Path(__file__).parent / "samples" / "qemu-running.xml").read_text()


def test_spaces_quotes_and_the_order_of_attributes_do_not_count() -> None:
    assert digest_of("<domain><a b='1' c='2'>x y</a></domain>") == digest_of(
        '<domain>\n  <a c="2" b="1">x y</a>\n</domain>\n'
    )


@pytest.mark.parametrize("other", ["<d><a>x  y</a></d>", "<d><a b=''>x y</a></d>", "<d><a>x y</a><a/></d>"])
def test_what_is_said_counts(other: str) -> None:
    assert digest_of("<d><a>x y</a></d>") != digest_of(other)


def test_what_libvirt_makes_at_each_start_is_no_difference() -> None:
    text, same = as_at_rest(RUNNING, RUNNING, current_kib=1048576)
    assert text == same
    for made in ("alias", "vnet3", "/dev/pts", "id='7'", "5901", "portid", "virbr0", 'index="'):
        assert made not in text, made
    for kept in ("web-1.qcow2", "/base.img", "br0", "52:54:00:AB:CD:EF", "4555", "Ask Ana."):
        assert kept in text, kept


@pytest.mark.parametrize(
    "next_boot",
    [
        "<cpu mode='host-model' check='partial'/>",
        "<cpu mode='custom' check='none'><model>qemu64</model></cpu>",
        "<cpu mode='host-model'><topology cores='4'/></cpu>",
        "<cpu mode='custom'><model>Skylake</model></cpu>",
    ],
)
def test_a_processor_that_was_spelt_out_is_no_difference_and_another_one_is(next_boot: str) -> None:
    live = "<cpu mode='custom' check='full'><model>qemu64</model><feature name='lm'/></cpu>"
    now, later = as_at_rest(f"<domain>{live}</domain>", f"<domain>{next_boot}</domain>", current_kib=1)
    assert (now == later) is ("Skylake" not in next_boot and "topology" not in next_boot)


def test_a_nic_in_a_network_is_told_as_that() -> None:
    live = "<domain><devices><interface type='bridge'><source network='n' bridge='b'/></interface></devices></domain>"
    boot = "<domain><devices><interface type='network'><source network='n'/></interface></devices></domain>"
    now, later = as_at_rest(live, boot, current_kib=1)
    assert now == later


def test_no_text_of_a_stranger_is_expanded() -> None:
    with pytest.raises(UnreadableDefinition):
        digest_of('<!DOCTYPE d [<!ENTITY e "x">]><d>&e;</d>')
