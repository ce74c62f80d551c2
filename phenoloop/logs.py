"""Logging: constant messages with facts as fields, one line an event, to standard error.

Every line says the `trace_id` of the task, event or command that it is about. The id goes with the work: to threads
(`carried`), to jobs, to SageMaker's containers.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import ParamSpec, TypeVar
from uuid import uuid4

import stamina.instrumentation
import structlog

Params = ParamSpec("Params")
Answer = TypeVar("Answer")

_TRACE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def configure_logs(*, as_json: bool = True, level: int = logging.INFO) -> None:
    """Set up structlog once, at the start of a process."""
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    stamina.instrumentation.set_on_retry_hooks([_tell_of_retry])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _tell_of_retry(details: stamina.instrumentation.RetryDetails) -> None:
    """No warning: only what fails in the end is one."""
    structlog.get_logger().info("trying again", because=str(details.caused_by), in_s=round(details.wait_for, 2))


@contextmanager
def traced(trace_id: str | None = None) -> Iterator[str]:
    """What is logged in here has this id; one that is no id (1 to 64 letters, digits or `_.:-`) gets a new one."""
    used = trace_id if trace_id and _TRACE_ID.fullmatch(trace_id) else uuid4().hex
    with structlog.contextvars.bound_contextvars(trace_id=used):
        yield used


def current_trace_id() -> str | None:
    """None outside of `traced`."""
    known = structlog.contextvars.get_contextvars().get("trace_id")
    return None if known is None else str(known)


def carried(function: Callable[Params, Answer]) -> Callable[Params, Answer]:
    """`function` for another thread, where it logs with the fields, and has the time limit, of here and now."""
    context = copy_context()

    def in_context(*args: Params.args, **kwargs: Params.kwargs) -> Answer:
        return context.copy().run(function, *args, **kwargs)  # a context of its own: many threads may come at once

    return in_context
