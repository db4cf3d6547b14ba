"""A device that is attached where its guest is now: the guest's row names the host, and moves when it is migrated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from django.utils.translation import gettext as _

from consoles.text.consoles_of import has_text_consoles
from consoles.text.device import Device
from consoles.text.host_link import HostLink
from consoles.text.keyboard import Stream
from consoles.text.offloop import with_database
from guests.errors import GuestNotFound
from guests.inventory.models import Guest


class FollowingDevice:
    """One device of one guest, and the host where it was last; used in the broker's loop."""

    def __init__(
        self, guest: Guest, name: str, link_to: Callable[[str], HostLink], before_moving: Callable[[], Awaitable[None]]
    ) -> None:
        """`before_moving`: sends away who may not use the console where the guest is now, before it says anything."""
        self.guest_id = guest.pk
        self.uri = guest.host.uri
        self.device = Device(self._attach)
        self.device.host = guest.host.name
        self._uuid: UUID = guest.uuid
        self._name = name
        self._link_to = link_to
        self._before_moving = before_moving
        link_to(self.uri).add(self._uuid, self.device)

    def forget(self) -> None:
        """Nobody needs it any more."""
        self._link_to(self.uri).forget(self._uuid, self.device)

    async def _attach(self, on_data: Callable[[bytes], None], on_end: Callable[[str], None], *, force: bool) -> Stream:
        guest = await with_database(self._guest_now)
        if guest.host.uri != self.uri:
            await self._move(guest)
        return await self._link_to(self.uri).attach(self._uuid, self._name, on_data, on_end, force=force)

    def _guest_now(self) -> Guest:
        guest = Guest.objects.select_related("host").get(pk=self.guest_id)
        if not has_text_consoles(guest.host):
            raise GuestNotFound(_("This guest or this console is not there any more."))
        return guest

    async def _move(self, guest: Guest) -> None:
        await self._before_moving()
        self.forget()
        self.uri = guest.host.uri
        self._link_to(self.uri).add(self._uuid, self.device)
        self.device.moved(guest.host.name)
