"""What a search asks of SageMaker is what SageMaker takes, and the same whether the search is ours or its own."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from phenoloop.errors import SettingsInvalid
from phenoloop.local_aws.sagemaker.errors import ValidationException
from phenoloop.local_aws.sagemaker.shapes import Shapes
from sync.pipeline.training import METRICS
from sync.tuning.requests import search_job, tuning_job
from sync.tuning.searches import job_name, tuning_job_name
from sync.tuning.wanted import Effort, going_on
from tests.unit.tuning_things import IMAGE, STORAGE, run_training, search

NOW = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
STAGES = ("detector", "segmenter")
EFFORTS = [Effort(1, 1, 60), Effort(30, 1, 14_400), Effort(750, 100, 5 * 86_400, "ml.p5.48xlarge")]


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    return Shapes()


def own_search(stage: str = "detector", effort: Effort = EFFORTS[1], *, spot: bool = True) -> dict[str, Any]:
    wanted = search(run_training(stage, spot=spot), effort)
    return search_job(wanted, job_name(wanted.name, NOW), STORAGE, IMAGE)


def sagemakers_search(stage: str = "detector", effort: Effort = EFFORTS[1], *, spot: bool = True) -> dict[str, Any]:
    return tuning_job(search(run_training(stage, spot=spot), effort), tuning_job_name(stage, NOW), STORAGE, IMAGE)


@pytest.mark.parametrize("spot", [True, False])
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("stage", STAGES)
def test_both_requests_are_ones_that_sagemakers_own_model_allows(
    shapes: Shapes, stage: str, effort: Effort, *, spot: bool
) -> None:
    shapes.check_request("CreateTrainingJob", own_search(stage, effort, spot=spot))
    shapes.check_request("CreateHyperParameterTuningJob", sagemakers_search(stage, effort, spot=spot))


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("HyperParameterTuningJobName", "n" * 33, "less than or equal to 32"),
        ("HyperParameterTuningJobConfig.Strategy", "Guessing", "enum"),
        ("HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType", "Late", "enum"),
        ("HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs", 0, "min|greater than or equal to 1"),
        ("HyperParameterTuningJobConfig.ResourceLimits.MaxRuntimeInSeconds", 119, "min|greater than or equal to 120"),
        ("HyperParameterTuningJobConfig.ParameterRanges.CategoricalParameterRanges.0.Values", [], "min|greater than"),
        ("TrainingJobDefinition.RoleArn", "role", "regular expression|min"),
        ("TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions.0.Regex", "x" * 501, "less than or equal"),
    ],
)
def test_a_tuning_job_that_is_wrong_deep_inside_is_refused(shapes: Shapes, path: str, value: Any, fault: str) -> None:
    request = copy.deepcopy(sagemakers_search())
    *places, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = request
    for part in places:
        place = place[part]
    place[last] = value
    with pytest.raises(ValidationException, match=fault):
        shapes.check_request("CreateHyperParameterTuningJob", request)


@pytest.mark.parametrize("stage", STAGES)
def test_both_search_one_space_with_the_same_hyperparameters_otherwise(stage: str) -> None:
    ours, theirs = own_search(stage), sagemakers_search(stage)
    ranges = theirs["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert json.loads(ours["HyperParameters"]["search_space"]) == ranges
    fixed = theirs["TrainingJobDefinition"]["StaticHyperParameters"]
    searched = {part["Name"] for parts in ranges.values() for part in parts}
    assert {
        "encoder",
        "optimizer",
        "learning_rate",
        "weight_decay",
        "batch_size",
        "side_px",
        "augmentation",
    } == searched
    assert not searched & fixed.keys()
    told = {name for name in ours["HyperParameters"] if not name.startswith("search_")}
    assert told == searched | fixed.keys()
    assert fixed.items() <= ours["HyperParameters"].items()


def test_sagemaker_maximises_a_metric_that_the_training_prints() -> None:
    request = sagemakers_search()
    objective = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    assert objective == {"Type": "Maximize", "MetricName": "validation:quality"}
    told = request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert {metric["Name"]: metric["Regex"] for metric in told} == METRICS
    assert "validation:quality" in METRICS
    assert request["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Auto"


def test_a_search_sees_the_runs_photos_and_todays_code_on_one_machine() -> None:
    request = own_search()
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "validation", "test"]
    assert request["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert request["ResourceConfig"]["InstanceCount"] == 1
    assert "_added" not in request["HyperParameters"]


def test_trials_learn_their_stage_from_the_encoders_weights_in_an_equal_part_of_the_time() -> None:
    told = search(effort=Effort(trials=20, parallel=2, time_limit_s=6000)).told
    assert (told["stages"], told["warm_start"], told["time_limit_s"]) == ("both", "false", "600")


def test_a_trial_gets_no_more_time_than_the_runs_own_training_had() -> None:
    assert search(run_training(time_limit_s="90"), Effort(2, 1, 14_400)).told["time_limit_s"] == "90"


def test_too_little_time_for_so_many_trials_is_said_before_anything_starts() -> None:
    with pytest.raises(SettingsInvalid, match="--time-limit-s"):
        search(effort=Effort(trials=100, parallel=1, time_limit_s=600))


def test_the_same_search_has_the_same_name_however_long_it_is_to_be() -> None:
    name = search().name
    assert name == search(effort=Effort(60, 2, 30_000)).name
    assert len({name, search(run_training("segmenter")).name, search(encoders=["resnet18"]).name}) == 3


def test_a_search_goes_on_with_trials_as_long_as_those_before() -> None:
    earlier = search()
    more = going_on(search(effort=Effort(300, 1, 14_400)), earlier.hyperparameters)
    assert more.hyperparameters["search_trials"] == "300"
    assert more.told["time_limit_s"] == earlier.told["time_limit_s"] == "480"


def test_another_search_under_a_name_that_is_taken_is_refused_with_what_differs() -> None:
    with pytest.raises(SettingsInvalid, match=r"--name.*search_space|search_space.*--name"):
        going_on(search(name="mine", encoders=["resnet18"]), search(name="mine").hyperparameters)


@pytest.mark.parametrize("name", ["", "two words", "-x", "n" * 33])
def test_a_name_that_no_job_can_have_is_refused(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="letters"):
        job_name(name)


def test_a_search_runs_in_the_network_of_the_run_that_it_searches_for(shapes: Shapes) -> None:
    vpc = {"Subnets": ["subnet-a1"], "SecurityGroupIds": ["sg-b2"]}
    base = run_training()
    base.job["VpcConfig"] = vpc
    own, sagemakers = (
        search_job(search(base), "search", STORAGE, IMAGE),
        tuning_job(search(base), "tune", STORAGE, IMAGE),
    )
    assert own["VpcConfig"] == sagemakers["TrainingJobDefinition"]["VpcConfig"] == vpc
    shapes.check_request("CreateTrainingJob", own)
    shapes.check_request("CreateHyperParameterTuningJob", sagemakers)
