"""What a soak makes of its samples: which process grows, which is flat, and which can't be told."""

import json
import os

import numpy as np
import pytest
from rich.console import Console

from phenoloop.demo.soak.census import Sample, census
from phenoloop.demo.soak.findings import Findings, Verdict, lives
from phenoloop.demo.soak.report import print_report
from phenoloop.demo.soak.slope import slope
from phenoloop.demo.soak.traffic import Traffic, Wrong

HOUR_S = 3600.0


def samples(
    name: str, own_mib: float, per_h: float, *, noise: float = 0.5, pid: int = 7, hours: float = 1.0
) -> list[Sample]:
    """One every ten seconds."""
    noises = np.random.default_rng(pid).normal(0, noise, int(hours * 360))
    return [
        Sample(name, pid, 0.0, 10.0 * n, 200.0, own_mib + per_h * n / 360 + noise, 150.0, threads=8, files=20)
        for n, noise in enumerate(noises)
    ]


def fail() -> None:
    raise Wrong("No.")


def test_the_slope_is_that_of_the_series_and_its_interval_holds_it() -> None:
    hours = np.arange(360) / 360
    found = slope(hours.tolist(), (100 + 30 * hours + np.random.default_rng(1).normal(0, 2, 360)).tolist())
    assert found is not None
    assert found.low < 30 < found.high
    assert found.value == pytest.approx(30, abs=2)


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    hours = np.arange(40) / 40
    held = 0
    for seed in range(200):
        found = slope(hours.tolist(), np.random.default_rng(seed).normal(0, 1, 40).tolist())
        assert found is not None
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 200 <= 0.98


def test_outliers_do_not_tilt_it() -> None:
    values = [100.0] * 30
    values[20] = 900.0
    found = slope([float(n) for n in range(30)], values)
    assert found is not None
    assert found.value == 0


def test_too_few_points_tell_nothing() -> None:
    assert slope([1.0, 2.0], [1.0, 2.0]) is None


@pytest.mark.parametrize(
    ("per_h", "verdict"), [(0, Verdict.FLAT), (5, Verdict.FLAT), (-40, Verdict.FLAT), (40, Verdict.GROWS)]
)
def test_growth_beyond_the_bound_is_seen_and_a_little_is_none(per_h: float, verdict: Verdict) -> None:
    (life,), _ = lives(samples("sync", 100, per_h))
    assert life.trends["anon_mib"].verdict is verdict


def test_a_steep_slope_that_may_be_noise_is_unclear() -> None:
    (life,), _ = lives(samples("sync", 1000, 300, noise=200, hours=0.3))
    trend = life.trends["anon_mib"]
    assert trend.slope_per_h.low < 0 < 10 < trend.slope_per_h.value
    assert trend.verdict is Verdict.UNCLEAR


def test_the_warm_up_counts_for_nothing() -> None:
    warming = [Sample("sync", 7, 0.0, 10.0 * n, 1.0, min(n, 80.0), 1.0, 8, 20) for n in range(360)]
    (life,), _ = lives(warming)
    assert life.trends["anon_mib"].verdict is Verdict.FLAT


def test_a_process_that_lived_briefly_is_counted_not_judged() -> None:
    judged, short = lives(samples("backend", 100, 0) + samples("job", 50, 900, pid=8, hours=0.1))
    assert ([life.name for life in judged], short) == (["backend"], {"job": 1})


def test_growth_of_ours_fails_the_soak_and_growth_of_others_is_told_only() -> None:
    ours, theirs = Findings(1), Findings(1)
    ours.judge(samples("sync", 100, 40), {})
    theirs.judge(samples("label-studio", 100, 40), {})
    assert (ours.failures, theirs.failures) == (["sync grows."], [])
    assert theirs.lives[0].grows


def test_in_a_short_soak_growth_fails_nothing() -> None:
    found = Findings(1)
    found.judge(samples("sync", 100, 400, hours=0.2), {})
    assert found.failures == []


def test_requests_that_fail_are_counted_with_their_reasons_and_fail_the_soak() -> None:
    traffic, found = Traffic(), Findings(1)
    assert traffic.ask("predict", lambda: 5) == 5
    assert traffic.ask("predict", fail) is None
    found.judge(samples("sync", 100, 0), traffic.answered())
    answered = found.answered["predict"]
    assert (answered.requests, answered.failures, answered.reasons) == (2, 1, {"Wrong: No.": 1})
    assert found.failures == ["predict: 1 of 2 failed."]


def test_the_report_names_every_process_and_the_json_is_json() -> None:
    found, console = Findings(1), Console(record=True, width=200, file=None, quiet=False)
    found.judge(samples("sync", 100, 0) + samples("label-studio", 300, 50, pid=8), {})
    with console.capture() as printed:
        print_report(console, found)
    assert all(word in printed.get() for word in ("sync", "label-studio", "not ours", "nothing of ours grows"))
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["holds"]


def test_a_census_knows_this_very_process() -> None:
    (me, *_) = census({"backend": os.getpid()}, 1.0)
    assert me.name == "backend"
    assert me.rss_mib > me.anon_mib > 0
    assert me.threads >= 1


def test_a_process_that_is_gone_is_left_out() -> None:
    assert census({"backend": 2**22 + 1}, 1.0) == []
