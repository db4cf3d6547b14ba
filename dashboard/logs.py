"""One JSON object a line on stderr: what a guest or a browser sends cannot forge a line or steer a terminal."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog

logger = logging.getLogger(__name__)


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """The formatter of every log line, ours and the libraries'."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=True),
            _without_delete,
        ],
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ExtraAdder(),
            structlog.processors.format_exc_info,
        ],
    )


def _without_delete(_logger: object, _method: str, line: Any) -> str:
    """The one control character that JSON leaves as it is."""
    return str(line).replace("\x7f", "\\u007f")


def log_uncaught() -> None:
    """Errors that nobody caught go the same way: Python's own words for them are lines as somebody's names make them.

    Whoever watches threads already (a test runner) goes on to do so.
    """
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _thread_ended
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _process_ends


def _thread_ended(args: Any) -> None:
    if args.exc_type is not SystemExit:
        logger.critical("a thread ended with an error", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _process_ends(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """On a terminal somebody reads it: in lines, and inert all the same."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
    elif sys.stderr.isatty():
        text = "".join(traceback.format_exception(kind, error, where))
        sys.stderr.write("".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text))
    else:
        logger.critical("the process ends with an error", exc_info=(kind, error, where))
