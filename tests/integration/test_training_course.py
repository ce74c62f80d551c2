"""How a training goes on, ends early and starts from what is known; and that several machines do it together."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from phenoloop.demo.scenes.scene import Scene
from phenoloop.local_aws.sagemaker.containers import free_port
from tests.integration.training_jobs import about, ended, few_scenes, history, job, made_live, objects_of, start, told

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

QUICK = {"stage": "segmenter", "side_px": "96", "encoder": "mobilenetv3_small_050", "encoder_weights": "none"}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return few_scenes()


@pytest.fixture(scope="module")
def data(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job's channels."""
    base = job(tmp_path_factory.mktemp("data"), scenes, [objects_of(scene) for scene in scenes])
    return base / "input/data"


def quick_job(data: Path, base: Path, **hyperparameters: str) -> Path:
    shutil.copytree(data, base / "input/data")
    config = base / "input/config/hyperparameters.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(QUICK | {"epochs": "12", "batch_size": "1", "time_limit_s": "600"} | hyperparameters))
    return base


@pytest.fixture(scope="module")
def uninterrupted(training_python: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = quick_job(data, tmp_path_factory.mktemp("uninterrupted"))
    ended(start(training_python, base))
    return base


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_goes_on_where_it_was_and_ends_as_if_nothing_had_happened(
    training_python: Path, data: Path, uninterrupted: Path, tmp_path: Path, how: signal.Signals
) -> None:
    base = quick_job(data, tmp_path)
    process = start(training_python, base)
    assert process.stdout
    before = [json.loads(process.stdout.readline()) for _ in range(5)]
    process.send_signal(how)
    process.communicate(timeout=200)
    after = ended(start(training_python, base)).lines
    steps = [line["step"] for line in history(base)]
    assert before[-2]["step"] < after[0]["step"]
    assert steps == sorted(set(steps))
    assert len(after) < len(steps)
    whole = history(uninterrupted)
    assert (steps[-1], history(base)[-1]["epoch"]) == (whole[-1]["step"], whole[-1]["epoch"])
    assert about(base)["validation"]["quality"] == pytest.approx(about(uninterrupted)["validation"]["quality"], abs=0.1)
    assert history(base)[-1]["seconds"] > before[3]["seconds"]


def test_a_training_that_is_told_to_end_leaves_the_best_so_far(
    training_python: Path, data: Path, tmp_path: Path
) -> None:
    process = start(training_python, quick_job(data, tmp_path, epochs="4000", time_limit_s="90"))
    assert process.stdout
    assert json.loads(process.stdout.readline())["step"] > 0
    process.send_signal(signal.SIGTERM)
    asked_s = time.monotonic()
    process.communicate(timeout=200)
    assert process.returncode == 0
    assert time.monotonic() - asked_s < 110  # SageMaker kills after 120 s
    assert (tmp_path / "model/model.pt").exists()


def test_a_finished_training_that_is_started_again_only_exports(
    training_python: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(uninterrupted, tmp_path / "again")
    shutil.rmtree(base / "model")
    lines = ended(start(training_python, base)).lines
    assert [line["step"] for line in lines] == [history(uninterrupted)[-1]["step"]]
    assert lines[0]["loss"] == history(uninterrupted)[-2]["loss"]
    assert about(base)["validation"] == about(uninterrupted)["validation"]


@pytest.mark.parametrize("harm", ["cut", "foreign"])
def test_a_checkpoint_that_is_damaged_or_of_other_settings_is_left_aside(
    training_python: Path, data: Path, uninterrupted: Path, tmp_path: Path, harm: str
) -> None:
    base = quick_job(data, tmp_path, epochs="1", learning_rate="0.002")
    content = (uninterrupted / "checkpoints/checkpoint.pt").read_bytes()
    (base / "checkpoints").mkdir()
    (base / "checkpoints/checkpoint.pt").write_bytes(content[: len(content) // 2] if harm == "cut" else content)
    said = ended(start(training_python, base))
    assert ("damaged" if harm == "cut" else "other settings") in said.log
    assert said.lines[0]["step"] < history(uninterrupted)[0]["step"]


def test_the_time_limit_is_held(training_python: Path, data: Path, tmp_path: Path) -> None:
    begun_s = time.monotonic()
    lines = ended(start(training_python, quick_job(data, tmp_path, epochs="4000", time_limit_s="45"))).lines
    assert time.monotonic() - begun_s < 60
    assert lines[-1]["seconds"] < 45


def test_a_training_without_gain_ends_early(training_python: Path, data: Path, tmp_path: Path) -> None:
    base = quick_job(data, tmp_path, patience="1", learning_rate="1e-9", epochs="40")
    ended(start(training_python, base))
    assert history(base)[-1]["epoch"] < 40


def test_the_live_model_is_the_start_if_it_is_of_the_same_network(
    training_python: Path, data: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    base = quick_job(data, tmp_path, learning_rate="1e-9", epochs="1")
    made_live(uninterrupted / "model", base)
    said = ended(start(training_python, base))
    assert "Starts from the live model job-7" in said.log
    assert about(base)["warm_started_from"] == "job-7"
    assert about(base)["validation"]["quality"] == pytest.approx(
        about(uninterrupted)["validation"]["quality"], abs=0.03
    )
    rates = [line["learning_rate"] for line in history(base)]
    assert max(rates) <= 0.5e-9


def test_a_live_model_of_another_network_is_no_start_and_it_is_said_why(
    training_python: Path, data: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    base = quick_job(data, tmp_path, encoder="mobilenetv3_small_075", epochs="1")
    made_live(uninterrupted / "model", base)
    said = ended(start(training_python, base))
    assert "No warm start: the live model is of another network" in said.log
    assert about(base)["warm_started_from"] is None


def test_two_instances_train_one_model(training_python: Path, data: Path, tmp_path: Path) -> None:
    hosts, port = ["algo-1", "algo-2"], str(free_port())
    bases = [quick_job(data, tmp_path / host, epochs="4") for host in hosts]
    for base, host in zip(bases, hosts, strict=True):
        resources = {"hosts": hosts, "current_host": host}
        (base / "input/config/resourceconfig.json").write_text(json.dumps(resources))
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [start(training_python, base, **meeting) for base in bases]
    first, second = (ended(process) for process in processes)
    assert second.lines == []
    assert first.lines[-1]["epoch"] == pytest.approx(4, abs=0.5)
    assert about(bases[0])["environment"]["processes"] == 2
    assert not (bases[1] / "model/model.json").exists()
    assert not (bases[1] / "checkpoints").exists()


ORDER = """
import json
from concurrent.futures import ThreadPoolExecutor
from training.learning.loading import Batches
class Lesson:
    def __len__(self): return 7
    def sample(self, rng, index): return [index, int(rng.integers(1_000_000))]
    def batch(self, samples): return samples
def taken(threads, parts, first, steps):
    with ThreadPoolExecutor(threads) as pool:
        made = [Batches(Lesson(), pool, size=2, seed=3, part=part, parts=parts, step=first) for part in range(parts)]
        return [[sample for batches in made for sample in batches.next()] for _ in range(steps)]
whole = taken(1, 1, 0, 8)
print(json.dumps([whole, taken(4, 1, 0, 8), taken(2, 1, 5, 3), sum(taken(1, 2, 0, 4), [])]))
"""


def test_samples_are_the_same_whatever_the_threads_processes_and_restarts(training_python: Path) -> None:
    whole, with_threads, after_restart, of_two = told(training_python, ORDER)
    assert with_threads == whole
    assert after_restart == whole[5:]
    assert of_two == [sample for step in whole for sample in step]
    indices = [index for step in whole for index, _ in step]
    assert sorted(indices[:7]) == sorted(indices[7:14]) == list(range(7))
    assert len({tuple(sample) for step in whole for sample in step}) == 16
