"""Migration: the guest goes to another host of the site; whatever fails or is cancelled leaves it where it was."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests import resources
from guests.access import Action, may_on
from guests.errors import HypervisorError, HypervisorUnreachable, OperationRefused
from guests.hypervisor import writing
from guests.hypervisor.connection import Connection, open_connection
from guests.hypervisor.migrating import is_aborted, job_progress, reachable_address
from guests.inventory.models import Guest, Host
from guests.operations.destinations import destinations_of_hosts, why_it_stays
from guests.operations.kinds import OperationKind, Task, register
from guests.operations.resizing import refuse_if_changed

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

LOOK_SECONDS = 1.0
ROW_SECONDS = 5.0  # until the inventory knows, at most: the page then shows the end and the new host together


def _migrate(task: Task) -> dict[str, Any]:
    host = _destination(task)
    keepalive = (settings.KEEPALIVE_INTERVAL_SECONDS, settings.KEEPALIVE_COUNT)
    opened: list[Connection] = []
    try:
        # Connections of its own: the call takes as long as the guest is large, and nobody else waits for it.
        for uri in (task.row.host.uri, host.uri):
            opened.append(open_connection(uri, deadline_s=settings.OPEN_DEADLINE_SECONDS, keepalive=keepalive))
        task.progress.sending()
        _Call(task, host, *opened).run()
    except HypervisorUnreachable as error:
        if len(opened) < 2:
            raise OperationRefused(
                _("%(host)s does not answer: nothing was changed.") % {"host": host.name if opened else task.row.host},
                detail=error.detail,
            ) from error
        raise
    finally:
        for connection in opened:
            connection.close()
    _wait_for_the_row(task, host)
    return {"host": host.name, "state": str(task.guest.state)}


def _destination(task: Task) -> Host:
    """The host that was asked for; refused at the field where the guest does not fit (any more)."""
    shown = task.before.get("host")
    if shown not in {None, task.row.host.name}:
        raise OperationRefused(
            _("%(guest)s is on another host since you opened the form.") % {"guest": task.guest.name}
        )
    refuse_if_changed(task)
    host = Host.objects.filter(name=str(task.parameters.get("to")), enabled=True).exclude(pk=task.row.host_id).first()
    if host is None:
        raise OperationRefused(_("There is no such host."), field="to")
    if why_not := why_it_stays(task.row) or destinations_of_hosts(task.row, [host])[0].why_not:
        raise OperationRefused(why_not, field="to")
    return host


class _Call:
    """The one long call, in a thread; meanwhile its progress is told, and it is aborted when that is wanted."""

    def __init__(self, task: Task, host: Host, here: Connection, there: Connection) -> None:
        self._task, self._host, self._here, self._there = task, host, here, there
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, name=f"migration-{task.uuid}", daemon=True)

    def _call(self) -> None:
        address = settings.MIGRATION_ADDRESSES.get(self._host.name) or reachable_address(self._there)
        parameters = self._task.parameters
        try:
            writing.migrate(
                self._here,
                self._there,
                self._task.uuid,
                address=address,
                copy_storage=bool(parameters.get("copy_storage")),
                slow_down=bool(parameters.get("slow_down")),
            )
        except BaseException as error:  # told in the thread that waits
            self._error = error

    def run(self) -> None:
        self._thread.start()
        aborted = False
        while self._thread.is_alive():
            self._task.next_event(LOOK_SECONDS)
            if not self._thread.is_alive():
                break
            if not aborted and self._task.progress.is_cancelled():
                aborted = self._abort()
            self._tell()
        self._thread.join()
        if self._error is not None:
            raise self._told(self._error) from self._error

    def _abort(self) -> bool:
        try:
            writing.abort_job(self._task.connection, self._task.uuid)
        except OperationRefused:
            return False  # between its phases there is nothing to abort: asked again in a second
        return True

    def _tell(self) -> None:
        try:
            progress = job_progress(self._task.connection, self._task.uuid)
        except HypervisorError:
            return  # the long call itself tells what is wrong
        if progress is not None:
            self._task.progress.under_way(progress.done_bytes, progress.total_bytes, progress.rate)

    def _told(self, error: BaseException) -> BaseException:
        if not isinstance(error, HypervisorError) or isinstance(error, HypervisorUnreachable):
            return error
        names = {"guest": self._task.guest.name, "host": self._task.row.host.name}
        if is_aborted(error) and self._task.progress.is_cancelled():
            return OperationRefused(_("Cancelled: %(guest)s stays on %(host)s.") % names, detail=error.detail)
        names["why"] = str(error)
        return OperationRefused(_("%(guest)s stays on %(host)s. %(why)s") % names, detail=error.detail)


def _wait_for_the_row(task: Task, host: Host) -> None:
    deadline = time.monotonic() + ROW_SECONDS
    while time.monotonic() < deadline:
        if Guest.objects.filter(pk=task.row.pk, host=host).exists():
            return
        time.sleep(0.05)


def _reached(_guest: resources.Guest, _parameters: dict[str, Any]) -> bool | None:
    """Asked of the host that it was to leave: a guest that is still there did not go."""
    return False


def _forbidden(by: AbstractBaseUser, guest: Guest, parameters: dict[str, Any]) -> str:
    """A right on the guest is not one on the other host."""
    host = Host.objects.filter(name=str(parameters.get("to"))).first()
    if host is not None and not may_on(by, Action.MIGRATE, host):
        return _("You may not bring guests to %(host)s.") % {"host": host.name}
    return ""


MIGRATE = register(
    OperationKind(
        "migrate",
        gettext_lazy("Migrate"),
        Action.MIGRATE,
        _migrate,
        _reached,
        cancellable=True,
        refusal=_forbidden,
    )
)
