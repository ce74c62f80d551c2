"""The live release's module goes to the people who run Loc360. The check before takes minutes, so it runs beside."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from phenoloop.chain.release import Release
from phenoloop.errors import ModuleRefused

CHECKING_S = 5.0
"""Between two looks at a check that runs."""


class Publication:
    def __init__(self, publish: Callable[[Release], bool], pause_s: float) -> None:
        """`publish` raises ModuleRefused if the module must not be published, and what may pass. `pause_s`: between
        two looks while nothing is on its way.
        """
        self._publish, self._pause_s = publish, pause_s
        self._beside = ThreadPoolExecutor(1, "publication")
        self._on_its_way: tuple[Release, Future[bool]] | None = None
        self._settled = ""
        """The release that is published, or refused: it stays so."""

    def look(self, live: Release | None) -> float:
        """In how many seconds to look again. Raises what `publish` raises, but for ModuleRefused, which is logged."""
        if self._on_its_way is None:
            if live is None or live.name == self._settled:
                return self._pause_s
            self._on_its_way = live, self._beside.submit(self._publish, live)
        release, published = self._on_its_way
        if not published.done():
            return CHECKING_S
        self._on_its_way = None
        try:
            published.result()
        except ModuleRefused as error:
            structlog.get_logger().error("module not published", release=release.name, error=str(error))
        self._settled = release.name
        return 0.0 if live and live.name != release.name else self._pause_s
