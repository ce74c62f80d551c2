"""A few dozen hostile cases a door, to hear of a broken promise soon; thousands are in `tests/integration`."""

import pytest

from tests.hostile.door import Door, visits
from tests.hostile.doors import DOORS


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_door_takes_or_clearly_refuses_whatever_comes(door: Door) -> None:
    tally = visits(door, runs=25, seed_=1)
    assert tally.refused
