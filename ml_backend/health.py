"""Whether this process can do its work: from memory, in no time, whatever is down."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ml_backend.metrics import Metrics
from ml_backend.predict import labelling_config
from phenoloop.chain.endpoints import Endpoints
from phenoloop.chain.releases import LiveRelease
from phenoloop.checks import STALE_S, Check
from phenoloop.errors import PhenoloopError
from phenoloop.metrics import EndpointWatch


@dataclass(frozen=True, slots=True)
class Health:
    live: LiveRelease
    endpoints: Endpoints
    jobs: Check[Mapping[str, int]]
    """How many there are in which state, as Redis last said."""

    def problems(self) -> list[str]:
        """One sentence each; none if all is well."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        try:
            self.live.current()
            if self.live.silent_s > STALE_S:
                yield f"S3 has not told for {self.live.silent_s:.0f} s which release is live."
        except PhenoloopError as error:
            yield str(error)
        if self.jobs.problem:
            yield self.jobs.problem
        for endpoint, trouble in self.endpoints.troubles().items():
            yield f"{endpoint}: {trouble}"

    def show_in(self, metrics: Metrics, watch: EndpointWatch) -> None:
        metrics.at_scrape("phenoloop_jobs", "Background jobs.", "state", lambda: self.jobs.answer or {})
        metrics.at_scrape("phenoloop_release_info", "The release that is served.", "release", self._release)
        metrics.show_ready(self.problems)
        metrics.at_scrape(
            "phenoloop_circuit_open",
            "Endpoints that are left alone for a while.",
            "stage",
            lambda: {watch.stage(endpoint): 1 for endpoint in self.endpoints.troubles()},
        )
        metrics.at_scrape("phenoloop_config_cache", "Labelling configurations looked up.", "outcome", _cache)

    def _release(self) -> Mapping[str, float]:
        known = self.live.known()
        return {known.name: 1} if known else {}


def _cache() -> Mapping[str, float]:
    info = labelling_config.cache_info()
    return {"hit": info.hits, "miss": info.misses}
