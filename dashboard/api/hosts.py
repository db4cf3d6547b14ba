"""Hosts: what they have, and what the guests that one sees hold of it."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from ninja import P, PathEx, Router
from pydantic import BaseModel, Field

from dashboard.api.errors import ErrorAnswer
from dashboard.hosts.views import HostLine, host_lines
from guests.inventory.models import HostState

router = Router(tags=["Hosts"])


class HostShape(BaseModel):
    """One host. Sums are over the guests that the token's owner sees."""

    name: str
    url: str = Field(description="Its page for people.")
    state: HostState
    state_since: datetime | None
    answers: bool = Field(description="Whether what is told here, and of its guests, is fresh.")
    message: str
    read_at: datetime | None
    next_try_at: datetime | None
    hostname: str
    driver: str
    hypervisor_version: str
    libvirt_version: str
    architecture: str
    cpu_model: str
    cpus: int | None
    memory_kib: int | None
    free_memory_kib: int | None
    guests: int
    active_guests: int
    used_kib: int | None = Field(description="What running guests use; null where none reports it.")
    given_kib: int = Field(description="The current memory of the running guests.")
    promised_kib: int = Field(description="Their maximum memory.")
    vcpus: int = Field(description="Theirs.")

    @classmethod
    def of(cls, line: HostLine) -> Self:
        host, commitment = line.host, line.commitment
        return cls(
            name=host.name,
            url=host.get_absolute_url(),
            state=HostState(host.state),
            state_since=host.state_since,
            answers=not line.silent,
            message=host.message,
            read_at=host.seen_at,
            next_try_at=host.next_try_at,
            hostname=host.hostname,
            driver=host.driver,
            hypervisor_version=host.hypervisor_version,
            libvirt_version=host.libvirt_version,
            architecture=host.architecture,
            cpu_model=host.cpu_model,
            cpus=host.cpus,
            memory_kib=host.memory_kib,
            free_memory_kib=host.free_memory_kib,
            guests=line.guests,
            active_guests=line.active,
            used_kib=commitment.used_kib,
            given_kib=commitment.given_kib,
            promised_kib=commitment.promised_kib,
            vcpus=commitment.vcpus,
        )


class Hosts(BaseModel):
    """All hosts."""

    items: list[HostShape]


@router.get("/hosts", response={200: Hosts, frozenset({401, 429}): ErrorAnswer}, summary="List hosts")
def list_hosts(request: HttpRequest) -> Hosts:
    """Those of which the token shows at least one guest, or which it is for as a whole."""
    return Hosts(items=[HostShape.of(line) for line in host_lines(request.user)])


@router.get(
    "/hosts/{str:name}", response={200: HostShape, frozenset({401, 404, 422, 429}): ErrorAnswer}, summary="Show a host"
)
def show_host(request: HttpRequest, name: PathEx[str, P(max_length=63)]) -> HostShape:
    """One of them, by its name."""
    lines = host_lines(request.user, name.replace("\0", ""))
    if not lines:
        raise Http404(_("No such host."))
    return HostShape.of(lines[0])
