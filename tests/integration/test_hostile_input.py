"""Ten thousand hostile cases and more; `make fuzz` makes as many as are asked for."""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.hostile.door import Door, assert_tells_something, visits
from tests.hostile.doors import DOORS
from tests.hostile.fuzz import NAMES, fuzzed
from tests.hostile.module_doors import requests
from tests.integration.containers import Container, error_message

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_door_takes_or_clearly_refuses_whatever_comes(door: Door) -> None:
    tally = visits(door, runs=250, seed_=2)
    assert tally.cases >= 250
    assert tally.refused
    assert tally.accepted


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_stands_fuzzing_guided_by_its_branches(name: str) -> None:
    run = fuzzed(name, runs=1500, seed=3)
    assert not run.find, run.find
    assert run.cases >= 1500


def test_a_container_answers_or_clearly_refuses_whatever_comes(detector: Container, segmenter: Container) -> None:
    @seed(4)
    @settings(
        max_examples=100, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(requests())
    def each(body: bytes) -> None:
        for container in (detector, segmenter):
            status, answer = container.invoke(body)
            assert status in {200, 400, 415}
            if status != 200:
                assert_tells_something(error_message(answer))

    each()
    assert detector.process.poll() is None
    assert segmenter.process.poll() is None
