from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guests.errors import OperationRefused
from guests.inventory.mac_addresses import mac_number, mac_text, normal_mac


@pytest.mark.parametrize(
    "typed", ["52:54:00:AB:cd:0f", "52-54-00-ab-cd-0f", "5254.00ab.cd0f", "525400abcd0f", " 52:54:00:ab:cd:0f\n"]
)
def test_every_way_to_write_a_mac_becomes_one(typed: str) -> None:
    assert normal_mac(typed) == "52:54:00:ab:cd:0f"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "six bytes"),
        ("52:54:00:ab:cd", "six bytes"),
        ("52:54:00:ab:cd:0g", "six bytes"),
        ("５２:54:00:ab:cd:0f", "six bytes"),
        ("<b>", "six bytes"),
        ("01:00:5e:00:00:01", "a group"),
        ("ff:ff:ff:ff:ff:ff", "a group"),
        ("00:00:00:00:00:00", "no NIC"),
        ("00:00:5e:00:01:07", "VRRP"),
        ("00:00:0c:07:ac:01", "HSRP"),
        ("fe:54:00:ab:cd:0f", "libvirt"),
    ],
)
def test_what_no_guest_may_have_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(OperationRefused, match=why) as refusal:
        normal_mac(typed)
    assert refusal.value.field == "mac"


@given(st.integers(0, 2**48 - 1))
def test_text_and_number_are_the_same_mac_and_sort_alike(number: int) -> None:
    assert mac_number(mac_text(number)) == number
    assert (mac_text(number) < mac_text(0x525400000000)) == (number < 0x525400000000)
