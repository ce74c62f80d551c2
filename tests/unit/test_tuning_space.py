"""What a search may choose from is what the file says and what is set now, and the job reads what we write."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.errors import SettingsInvalid
from sync.tuning.space import Range, Space, as_text, ranges, read_space
from tests.unit.tuning_things import HYPERPARAMETERS
from training.errors import JobFailed
from training.search.settings import read_settings
from training.search.space import Choice
from training.search.space import read_space as read_by_the_job

STAGES = ("detector", "segmenter")
WORDS = st.text("abcdefgh_0123456789", min_size=1, max_size=12)
NUMBERS = st.floats(1e-6, 1e6)
RANGES = st.builds(
    lambda low, span, logarithmic: Range(low=low, high=low * (1 + span), logarithmic=logarithmic),
    *(NUMBERS, st.floats(0.001, 100), st.booleans()),
)
SPACES = st.dictionaries(WORDS, st.one_of(st.lists(WORDS, min_size=1, max_size=20), RANGES), min_size=1, max_size=8)


class Trial:
    """Suggests one end of everything."""

    def __init__(self, *, last: bool) -> None:
        self._last = last

    def suggest_categorical(self, name: str, choices: tuple[str, ...]) -> str:
        return choices[-1] if self._last else choices[0]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        return high if self._last else low

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        return high if self._last else low


@given(space=SPACES, last=st.booleans(), data=st.data())
def test_every_value_that_the_job_tries_is_one_of_ours_or_the_one_of_now(
    *, space: Space, last: bool, data: st.DataObject
) -> None:
    now = {name: data.draw(NUMBERS.map(repr) if isinstance(part, Range) else WORDS) for name, part in space.items()}
    read = read_by_the_job(json.loads(json.dumps(ranges(space, now))))
    assert {part.name for part in read} == space.keys()
    for part in read:
        wanted, current, tried = space[part.name], now[part.name], part.suggested(Trial(last=last))
        assert part.holds(part.read(current))
        if isinstance(wanted, Range):
            assert min(wanted.low, float(current)) <= float(tried) <= max(wanted.high, float(current))
        else:
            assert tried in {*wanted, current}


@pytest.mark.parametrize("stage", STAGES)
def test_the_file_is_one_that_can_be_searched(stage: str) -> None:
    read = read_by_the_job(ranges(read_space(stage), HYPERPARAMETERS))
    assert {"encoder", "optimizer", "learning_rate", "side_px"} <= {part.name for part in read}


def test_encoders_that_are_named_stand_beside_the_one_of_now_only() -> None:
    read = read_by_the_job(ranges(read_space("detector"), HYPERPARAMETERS, ["resnet18", "convnext_atto"]))
    (encoder,) = [part for part in read if part.name == "encoder"]
    assert isinstance(encoder, Choice)
    assert encoder.values == ("tf_efficientnet_lite0", "resnet18", "convnext_atto")


def test_a_hyperparameter_that_the_training_lacks_is_named() -> None:
    with pytest.raises(SettingsInvalid, match="freeze_depth"):
        ranges({"freeze_depth": ["1"]}, HYPERPARAMETERS)


def test_more_than_one_hyperparameter_can_hold_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="too many choices"):
        as_text(ranges({"encoder": ["e" * 99] * 30, "optimizer": [f"{n:0100}" for n in range(30)]}, HYPERPARAMETERS))


@pytest.mark.parametrize(
    "text",
    [
        *("", "detector: 3", "detector: {encoder: []}", "segmenter: {encoder: [a]}"),
        *("detector: {learning_rate: {low: 2, high: 1}}", "detector: {x: {low: 0, high: 1, logarithmic: true}}"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "search.yaml").write_text(text)
    with pytest.raises(SettingsInvalid, match=r"search\.yaml"):
        read_space("detector", tmp_path / "search.yaml")


SEARCH = {"search_space": '{"CategoricalParameterRanges": [{"Name": "encoder", "Values": ["a", "b"]}]}',
          "search_trials": "3", "search_time_limit_s": "60", "stage": "detector", "encoder": "b"}  # fmt: skip


def test_the_first_trial_is_what_is_set_now() -> None:
    settings = read_settings(SEARCH)
    assert settings.current == {"encoder": "b"}
    assert settings.training == {"stage": "detector", "encoder": "b"}


@pytest.mark.parametrize("encoder", [{}, {"encoder": "c"}])
def test_without_all_that_is_set_now_the_first_trial_is_like_any(encoder: dict[str, str]) -> None:
    others = {name: value for name, value in SEARCH.items() if name != "encoder"}
    assert read_settings(others | encoder).current == {}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"stage": "both"}, {"search_trials": "0"}, {"search_trials": "many"}, {"search_time_limit_s": "nan"}),
        *({"search_space": "{}"}, {"search_space": "["}, {"search_space": '{"CategoricalParameterRanges": [{}]}'}),
        {"search_space": '{"ContinuousParameterRanges": [{"Name": "x", "MinValue": "2", "MaxValue": "1"}]}'},
    ],
)
def test_a_search_that_makes_no_sense_fails_with_what_is_wrong(wrong: dict[str, str]) -> None:
    with pytest.raises(JobFailed, match=r"stage|search"):
        read_settings(SEARCH | wrong)
