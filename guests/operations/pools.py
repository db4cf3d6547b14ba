"""Pools: made, started, stopped, looked into again, started with the host, forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action
from guests.errors import OperationRefused
from guests.hypervisor import pool_changes as writing
from guests.hypervisor.pools import refresh_pool
from guests.inventory.storage import Pool
from guests.inventory.volume_uses import uses_of, uses_on
from guests.operations.host_kinds import HostOperationKind, HostTask, register_host
from guests.operations.storage_task import at_pools, pool_facts, pool_of, read_pool_again, refuse_name, words_of

SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")
EXPORT = re.compile(r"/[A-Za-z0-9_./+@-]{0,1000}")
GROUP = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")


def _make(task: HostTask) -> dict[str, Any]:
    new = new_pool(task.parameters)
    with task.own_connection() as connection:
        task.progress.sending()
        uuid = writing.make_pool(connection, new, autostart=bool(task.parameters.get("autostart")))
        read_pool_again(task, connection, uuid)
    return {"uuid": str(uuid), "path": new.path}


def new_pool(parameters: dict[str, Any]) -> writing.NewPool:
    """What was asked for, checked; the directory is one below those that the operator named, called as the pool."""
    name, kind = refuse_name(parameters.get("name")), parameters.get("kind")
    if kind == "logical":
        group = _matching(GROUP, parameters.get("group"), "group", _("This is no name of a volume group."))
        return writing.NewPool(name, "logical", f"/dev/{group}", group=group)
    root = parameters.get("root")
    if root not in settings.STORAGE_ROOTS:
        raise OperationRefused(
            _("Pools are made in the directories that GUESTHOUSE_STORAGE_ROOTS names."), field="root"
        )
    path = str(PurePosixPath(str(root)) / name)
    if kind == "dir":
        return writing.NewPool(name, "dir", path)
    if kind == "netfs":
        server = _matching(SERVER, parameters.get("server"), "server", _("This is no name or address of a server."))
        export = _matching(EXPORT, parameters.get("export"), "export", _("This is no directory that a server exports."))
        if ".." in PurePosixPath(export).parts:
            raise OperationRefused(_("This is no directory that a server exports."), field="export")
        return writing.NewPool(name, "netfs", path, server=server, export=export)
    raise OperationRefused(_("Pools of this kind are not made here."), field="kind")


def _matching(pattern: re.Pattern[str], value: object, field: str, sentence: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OperationRefused(sentence, field=field)
    return value


def _start(task: HostTask) -> dict[str, Any]:
    pool = pool_of(task)
    with at_pools(task, pool) as connection:
        task.progress.sending()
        writing.start_pool(connection, pool.uuid)
    return {"active": True}


def _stop(task: HostTask) -> dict[str, Any]:
    pool = pool_of(task)
    refuse_in_use(pool, running_only=True)
    with at_pools(task, pool) as connection:
        task.progress.sending()
        writing.stop_pool(connection, pool.uuid)
    return {"active": False}


def _refresh(task: HostTask) -> dict[str, Any]:
    pool = pool_of(task)
    with at_pools(task, pool) as connection:
        task.progress.sending()
        refresh_pool(connection, pool.uuid)
    return {"volumes": pool.volumes.count()}


def _set_autostart(task: HostTask) -> dict[str, Any]:
    pool, on = pool_of(task), bool(task.parameters.get("on"))
    with at_pools(task, pool) as connection:
        task.progress.sending()
        writing.set_pool_autostart(connection, pool.uuid, on=on)
    return {"autostart": on}


def _forget(task: HostTask) -> dict[str, Any]:
    pool = pool_of(task)
    refuse_in_use(pool, running_only=False)
    with at_pools(task, pool) as connection:
        task.progress.sending()
        writing.forget_pool(connection, pool.uuid)
    return {"forgotten": pool.name, "path": pool.path}


def refuse_in_use(pool: Pool, *, running_only: bool) -> None:
    """OperationRefused, with the guests, where disks are in the pool: of those that run, or of any next boot, too."""
    on_host = uses_on(pool.host)
    guests = {
        use.guest_name
        for volume in pool.volumes.select_related("pool")
        for use in uses_of(volume, on_host)
        if use.now or not running_only
    }
    if guests:
        text = _("Disks of %(guests)s are in it.")
        raise OperationRefused(text % {"guests": ", ".join(sorted(guests)[:10])})


def _about_pool(parameters: dict[str, Any]) -> str:
    return f"pool {parameters.get('pool')}"


def _register(name: str, label: Any, run: Callable[[HostTask], dict[str, Any]]) -> HostOperationKind:
    return register_host(
        HostOperationKind(name, label, Action.STORAGE, run, words=words_of, about=_about_pool, facts=pool_facts)
    )


MAKE_POOL = register_host(
    HostOperationKind("make_pool", gettext_lazy("Make a pool"), Action.STORAGE, _make, words=words_of, facts=pool_facts)
)
START_POOL = _register("start_pool", gettext_lazy("Start a pool"), _start)
STOP_POOL = _register("stop_pool", gettext_lazy("Stop a pool"), _stop)
REFRESH_POOL = _register("refresh_pool", gettext_lazy("Look into a pool again"), _refresh)
SET_POOL_AUTOSTART = _register("set_pool_autostart", gettext_lazy("Start a pool with its host"), _set_autostart)
FORGET_POOL = _register("forget_pool", gettext_lazy("Forget a pool"), _forget)
