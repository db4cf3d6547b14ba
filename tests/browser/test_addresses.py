"""The addresses that a guest tells through its agent, on its page. The agent is a shell's loop on the real channel."""

from __future__ import annotations

from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from guests.hypervisor.connection import open_connection
from tests.browser.axe import findings
from tests.labs.lab import Lab
from tests.live.hypervisor_guest import BANNER, Terminal

pytestmark = pytest.mark.timeout(120)
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices>"
# Until the host opens its end the port reads as ended: the outer loop waits for it.
AGENT = r"""cat > /tmp/agent <<'E'
exec 3<>$(echo /dev/vport*p1)
mac=$(cat /sys/class/net/eth0/address)
v6='{"ip-address": "fe80::7", "ip-address-type": "ipv6", "prefix": 64}'
v4='{"ip-address": "192.0.2.7", "ip-address-type": "ipv4", "prefix": 24}'
while :; do while read -r asked <&3; do case $asked in
*guest-sync*) id=${asked##*:}; echo "{\"return\": ${id%%\}*}}" >&3;;
*interfaces*) echo '{"return": [{"name": "eth0", "hardware-address": "'$mac'", "ip-addresses": ['$v6, $v4']}]}' >&3;;
*) echo '{"error": {"class": "CommandNotFound", "desc": "not here"}}' >&3;;
esac; done; sleep 1; done
E
sh /tmp/agent &
"""


def test_a_guest_s_agent_tells_its_addresses_while_somebody_looks(signed_in: Page, lab: Lab) -> None:
    xml = lab.virsh("dumpxml", lab.uuid("backup-1"), "--inactive")
    lab.virsh("define", "/dev/stdin", stdin=xml.replace("</devices>", CHANNEL))
    lab.virsh("start", lab.uuid("backup-1"))
    connection = open_connection(lab.uri)
    try:
        terminal = Terminal(connection, UUID(lab.uuid("backup-1")), force=True)
        terminal.expect(BANNER, 60)
        terminal.expect(b"# ")  # the prompt: what is sent before it is lost
        terminal.stream.send(AGENT.replace("\n", "\r").encode())
        assert "vport" in terminal.answer_to("ls -l /proc/[0-9]*/fd")
        signed_in.goto(f"/guests/{lab.uuid('backup-1')}/devices/")
        nics = signed_in.locator("#guest-nics")
        expect(nics).to_contain_text("192.0.2.7", timeout=60_000)
        expect(nics).to_contain_text("agent")
        told = nics.inner_text()
        assert told.index("192.0.2.7") < told.index("fe80::7")
        assert findings(signed_in) == []
        terminal.stream.close()
    finally:
        connection.close()
        lab.virsh("destroy", lab.uuid("backup-1"))
        lab.virsh("define", "/dev/stdin", stdin=xml)
