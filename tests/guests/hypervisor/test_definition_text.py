from __future__ import annotations

from pathlib import Path

import pytest

from guests.hypervisor.definition_text import at_rest, digest_of
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
    text = at_rest(RUNNING)
    for made in ("alias", "vnet3", "/dev/pts", "id='7'", "5901", "portid", "virbr0", 'index="'):
        assert made not in text, made
    for kept in ("web-1.qcow2", "/base.img", "br0", "52:54:00:AB:CD:EF", "4555", "Ask Ana."):
        assert kept in text, kept


def test_no_text_of_a_stranger_is_expanded() -> None:
    with pytest.raises(UnreadableDefinition):
        digest_of('<!DOCTYPE d [<!ENTITY e "x">]><d>&e;</d>')
