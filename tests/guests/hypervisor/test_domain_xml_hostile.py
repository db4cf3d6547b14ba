"""XML from outside is bounded, expands nothing and fetches nothing; whatever it is, the answer is one error."""

from __future__ import annotations

import contextlib
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from guests.hypervisor.domain_xml import UnreadableDefinition, parse_definition, parse_screens
from guests.hypervisor.xml_document import MAX_BYTES, MAX_DEPTH
from guests.resources import Definition

BODY = (
    "<domain type='kvm'><name>{name}</name><uuid>5f3c1b0e-0000-4000-8000-000000000001</uuid>"
    "<memory>1024</memory><os><type>hvm</type></os>{more}</domain>"
)
SAMPLES = [path.read_text() for path in sorted((Path(__file__).parent / "samples").glob("*.xml"))]
BOMB = (
    "<!DOCTYPE d [<!ENTITY a '"
    + "x" * 1000
    + "'>"
    + "".join(f"<!ENTITY {b} '{f'&{a};' * 100}'>" for a, b in zip("abcdefg", "bcdefgh", strict=False))
    + "]>"
)


def refused(xml: str, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(UnreadableDefinition, match=why):
        parse_definition(xml)
    with pytest.raises(UnreadableDefinition, match=why):
        parse_screens(xml)
    assert time.monotonic() - began < 1


def test_an_entity_bomb_is_refused_at_once() -> None:
    refused(BOMB + BODY.format(name="&h;", more=""), "document type|not well-formed")
    refused(BOMB + BODY.format(name="x", more="<title a='&h;'/>"), "document type|not well-formed")


def test_an_external_entity_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("treasure")
    refused(f"<!DOCTYPE d [<!ENTITY e SYSTEM 'file://{secret}'>]>" + BODY.format(name="&e;", more=""), "document type")
    refused(f"<!DOCTYPE d SYSTEM 'file://{secret}'>" + BODY.format(name="x", more=""), "document type")


def test_ten_mebibytes_are_refused_before_they_are_parsed() -> None:
    refused(BODY.format(name="x", more=f"<description>{'y' * 10 * 1024 * 1024}</description>"), "larger")


def test_a_definition_just_below_the_limit_is_read() -> None:
    text = "y" * (MAX_BYTES - 1000)
    assert parse_definition(BODY.format(name="x", more=f"<description>{text}</description>")).description == text


@pytest.mark.parametrize("depth", [MAX_DEPTH, 300, 20_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    refused(BODY.format(name="x", more="<a>" * depth + "</a>" * depth), "nested deeper|not well-formed")


@pytest.mark.parametrize("xml", ["", " ", "x", "<network><name>x</name></network>", "<domain", "\x00", "\ud800"])
def test_what_is_no_domain_is_refused(xml: str) -> None:
    refused(xml, ".")


def test_an_empty_domain_has_no_screen_and_is_no_definition() -> None:
    assert parse_screens("<domain/>") == ()
    with pytest.raises(UnreadableDefinition):
        parse_definition("<domain/>")


def test_comments_and_instructions_do_not_hide_what_follows() -> None:
    xml = BODY.format(name="a<!-- b -->c", more="<?php evil ?><title>t</title>")
    assert (parse_definition(xml).name, parse_definition(xml).title) == ("ac", "t")


def escaped(text: str) -> str:
    element = etree.Element("x")
    element.text = text
    return etree.tostring(element, encoding="unicode")[3:-4]


LEGAL = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters=string.ascii_letters
)


@given(st.text(LEGAL, min_size=1, max_size=200))
def test_any_name_that_xml_can_carry_comes_back_as_it_is(name: str) -> None:
    assert parse_definition(BODY.format(name=escaped(name), more="")).name == name


@given(st.text(max_size=300))
def test_any_text_is_a_definition_or_one_error(text: str) -> None:
    with pytest.raises(UnreadableDefinition):
        parse_definition(text)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_definition_is_a_definition_or_one_error(xml: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(xml) - 1))
    length = data.draw(st.integers(0, 40))
    damaged = xml[:at] + data.draw(st.text(max_size=20)) + xml[at + length :]
    with contextlib.suppress(UnreadableDefinition):
        assert isinstance(parse_definition(damaged), Definition)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_changed_attribute_or_text_is_a_definition_or_one_error(xml: str, data: st.DataObject) -> None:
    root = etree.fromstring(xml)
    elements = list(root.iter(etree.Element))
    element = data.draw(st.sampled_from(elements))
    value = data.draw(st.text(LEGAL, max_size=30) | st.integers().map(str))
    if element.attrib and data.draw(st.booleans()):
        element.set(data.draw(st.sampled_from(sorted(element.attrib))), value)
    else:
        element.text = value
    try:
        definition = parse_definition(etree.tostring(root, encoding="unicode"))
    except UnreadableDefinition:
        return
    assert definition.memory.maximum_kib >= 0
    assert all(graphics.port is None or 0 < graphics.port < 65536 for graphics in definition.graphics)
    devices = [console.device for console in definition.text_consoles]
    assert len(devices) == len(set(devices))
