"""Photos of one kind seldom alarm, and no more often than is said; another kind does, within a few dozen photos."""

from collections.abc import Iterator

import numpy as np
import pytest

from serving.drift import RATE, STEP, WINDOW, Drift, Window, differ, stability_index
from serving.facts import Facts, find_facts, photo_facts, statistics


class Field:
    """Photos of one season's field: light, grain, and things found, all by chance."""

    def __init__(
        self, seed: int, *, light: float = 150, grain: float = 40, blur: int = 1, plants: float = 6, size_px: float = 30
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._light, self._grain, self._blur, self._plants, self._size_px = light, grain, blur, plants, size_px

    def photo(self) -> Facts:
        rng = self._rng
        light = rng.normal(self._light, 25)
        grain = rng.normal(0, self._grain * rng.uniform(0.7, 1.3), (48 // self._blur, 64 // self._blur, 3))
        image = np.clip(light + np.repeat(np.repeat(grain, self._blur, 0), self._blur, 1), 0, 255).astype(np.uint8)
        count = rng.poisson(self._plants)
        sides = np.abs(rng.normal(self._size_px, 8, count)) + 4
        boxes = np.stack([np.zeros(count), np.zeros(count), sides, sides], axis=1).tolist()
        return photo_facts(image) | find_facts(boxes, rng.beta(8, 2, count).tolist(), 480, 360)

    def photos(self, count: int) -> list[Facts]:
        return [self.photo() for _ in range(count)]


def looks(window: Window, field: Field, count: int) -> Iterator[Drift]:
    for _ in range(count):
        while (drift := window.add(field.photo())) is None:
            pass
        yield drift


def test_the_same_counts_are_no_distance_apart_and_others_are() -> None:
    one, other = np.array([5, 20, 5]), np.array([5, 5, 20])
    assert stability_index(one, one) == 0
    assert stability_index(one, other) > 0.25


def test_of_samples_of_one_kind_no_more_differ_than_the_level_says() -> None:
    rng, level, trials = np.random.default_rng(1), 0.05, 300
    chances = np.array([0.05, 0.3, 0.4, 0.2, 0.05])
    differing = sum(
        differ(rng.multinomial(40, chances), rng.multinomial(WINDOW, chances), level, rng) for _ in range(trials)
    )
    assert differing / trials < level + 3 * np.sqrt(level * (1 - level) / trials)
    assert differing / trials > level / 3  # nor is it deaf


def some_photo(rng: np.random.Generator) -> Facts:
    return {"brightness": rng.normal(0.5, 0.1), "finds": float(rng.poisson(5)), "score": rng.beta(8, 2)}


def drifted_looks(seed: int, count: int, **rate: float) -> int:
    """Of so many, at photos of the reference's kind."""
    rng = np.random.default_rng(seed)
    window = Window(statistics([some_photo(rng) for _ in range(48)]), **rate)
    drifts = [window.add(some_photo(rng)) for _ in range(count * STEP)]
    return sum(bool(drift.drifted) for drift in drifts if drift)


def test_no_more_looks_alarm_than_is_said() -> None:
    """At a rate that some hundred can show; each with a reference of its own."""
    rate, trials = 0.1, 150
    alarms = sum(drifted_looks(seed, 1, rate=rate) for seed in range(trials))
    assert alarms / trials < rate + 3 * np.sqrt(rate * (1 - rate) / trials)


def test_photos_like_the_references_do_not_alarm() -> None:
    assert sum(drifted_looks(seed, 20) for seed in range(10)) <= 2  # of 200, at one in a thousand
    assert RATE == 0.001


@pytest.mark.parametrize(
    ("other", "drifted"),
    [
        ({"light": 60}, "brightness"),
        ({"blur": 4}, "sharpness"),
        ({"size_px": 90}, "size"),
        ({"plants": 0.1}, "finds"),
    ],
    ids=["dark", "blurred", "from nearer", "empty fields"],
)
def test_other_photos_alarm_within_a_window(other: dict[str, float], drifted: str) -> None:
    usual = Field(7)
    window = Window(statistics(usual.photos(64)))
    assert not any(drift.drifted for drift in looks(window, usual, 6))
    found = list(looks(window, Field(8, **other), WINDOW // STEP))  # type: ignore[arg-type]
    assert drifted in found[-1].drifted


def test_what_the_model_is_shown_and_what_it_says_are_told_apart() -> None:
    usual = Field(7)
    window = Window(statistics(usual.photos(64)))
    *_, drift = looks(window, Field(8, plants=40), WINDOW // STEP)
    assert drift.of_outputs > 1 > 0.5 > drift.of_inputs


def test_a_photo_that_is_asked_about_again_and_again_counts_once() -> None:
    usual = Field(7)
    window, photo = Window(statistics(usual.photos(64))), Field(8, light=20).photo()
    assert all(window.add(photo) is None for _ in range(10 * STEP))


def test_a_reference_of_few_photos_says_little() -> None:
    window = Window(statistics(Field(7).photos(2)))
    assert not any(drift.drifted for drift in looks(window, Field(8), 4))


def test_what_only_the_reference_knows_is_not_compared() -> None:
    window = Window(statistics([photo | {"filled": 0.5} for photo in Field(7).photos(64)]))
    (drift,) = looks(window, Field(7), 1)
    assert "filled" not in drift.distances
