import pytest

from training.errors import JobFailed
from training.hyperparameters import read_hyperparameters


def test_what_is_not_said_has_a_default() -> None:
    settings = read_hyperparameters({"stage": "detector"})
    assert (settings.encoder, settings.encoder_weights) == ("tf_efficientnet_lite0", "package")


def test_values_come_as_strings() -> None:
    settings = read_hyperparameters(
        {"stage": "segmenter", "epochs": "3", "time_limit_s": "90", "learning_rate": "1e-3"}
    )
    assert (settings.epochs, settings.time_limit_s, settings.learning_rate) == (3, 90.0, 0.001)


def test_strings_may_come_as_json() -> None:
    assert read_hyperparameters({"stage": '"detector"'}).stage == "detector"


def test_yes_and_no_are_true_and_false() -> None:
    told = [read_hyperparameters({"stage": "detector", "warm_start": text}).warm_start for text in ("true", "False")]
    assert told == [True, False]


def test_sagemakers_own_are_left_alone() -> None:
    assert read_hyperparameters({"stage": "detector", "sagemaker_program": "x"}).stage == "detector"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "stage"),
        ({"stage": "explainer"}, "explainer"),
        ({"stage": "detector", "epoch": "3"}, "epoch"),
        ({"stage": "detector", "epochs": "many"}, "many"),
        ({"stage": "detector", "epochs": "0"}, "epochs"),
        ({"stage": "detector", "time_limit_s": "-1"}, "time_limit_s"),
        ({"stage": "detector", "time_limit_s": "nan"}, "time_limit_s"),
        ({"stage": "detector", "side_px": "100"}, "side_px"),
        ({"stage": "detector", "stages": "all"}, "all"),
        ({"stage": "detector", "precision": "fp8"}, "fp8"),
        ({"stage": "detector", "augmentation": "heavy"}, "heavy"),
        ({"stage": "detector", "warm_start": "maybe"}, "maybe"),
        ({"stage": "detector", "patience": "-1"}, "patience"),
        ({"stage": "detector", "weight_decay": "nan"}, "weight_decay"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_name(values: dict[str, str], said: str) -> None:
    with pytest.raises(JobFailed, match=said):
        read_hyperparameters(values)
