"""Calls that may block, away from the loop: each in a daemon thread that can be left behind.

A ThreadPoolExecutor joins its threads at exit, so one stuck in libvirt would make SIGTERM seem ignored.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.db import connections

_T = TypeVar("_T")


async def off_loop(function: Callable[[], _T], *, name: str, late: Callable[[_T], object] | None = None) -> _T:
    """The answer of `function()`. Where nobody waits for it any more when it comes, `late(answer)` disposes of it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(answer: _T | None, error: BaseException | None) -> None:
        if future.done():
            if error is None and late is not None:
                threading.Thread(target=late, args=(answer,), name=f"{name}-late", daemon=True).start()
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)  # type: ignore[arg-type]

    def run() -> None:
        answer, failure = None, None
        try:
            answer = function()
        except Exception as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(settle, answer, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


async def with_database(function: Callable[[], _T], *, late: Callable[[_T], object] | None = None) -> _T:
    """The same for a call that uses the database: its connection is closed with the thread."""

    def run() -> _T:
        try:
            return function()
        finally:
            connections.close_all()

    return await off_loop(run, name="text-database", late=late)
