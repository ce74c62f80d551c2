import json
import sys
from pathlib import Path

import pytest

from training.errors import JobFailed
from training.learning.cluster import Cluster

NONE = Path("/nonexistent")


def test_one_process_needs_no_torchrun() -> None:
    cluster = Cluster.read(NONE, {})
    assert cluster.torchrun(["training", "train"], 1, {}) is None


def test_several_gpus_of_one_machine_meet_by_themselves() -> None:
    words = Cluster().torchrun(["training", "train"], 4, {})
    assert words
    assert words[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert "--standalone" in words
    assert words[words.index("--nproc-per-node") + 1] == "4"
    assert words[-3:] == ["--module", "training", "train"]


def test_instances_meet_at_the_first_one(tmp_path: Path) -> None:
    file = tmp_path / "resourceconfig.json"
    file.write_text(json.dumps({"hosts": ["algo-1", "algo-2"], "current_host": "algo-2"}))
    words = " ".join(Cluster.read(file, {}).torchrun(["training", "train"], 1, {}) or [])
    assert "--nnodes 2 --node-rank 1 --master-addr algo-1 --master-port 29500" in words


def test_the_environment_says_where_to_meet_if_hosts_have_no_address() -> None:
    environment = {"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-1"}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4711"}
    words = " ".join(Cluster.read(NONE, environment).torchrun(["training", "train"], 1, meeting) or [])
    assert "--node-rank 0 --master-addr 127.0.0.1 --master-port 4711" in words


@pytest.mark.parametrize("content", ["", "{}", '{"hosts": ["algo-1"], "current_host": "algo-2"}'])
def test_a_file_that_does_not_name_the_instances_fails_the_job(tmp_path: Path, content: str) -> None:
    file = tmp_path / "resourceconfig.json"
    file.write_text(content)
    with pytest.raises(JobFailed, match="resourceconfig"):
        Cluster.read(file, {})


@pytest.mark.parametrize(
    ("instance_type", "gpus", "is_wasted"),
    [
        ("ml.g5.xlarge", 0, True),
        ("ml.p4d.24xlarge", 0, True),
        ("ml.g5.xlarge", 1, False),
        ("ml.c5.xlarge", 0, False),
        ("", 0, False),
    ],
)
def test_gpus_that_are_paid_for_and_not_used_are_noticed(
    tmp_path: Path, *, instance_type: str, gpus: int, is_wasted: bool
) -> None:
    file = tmp_path / "resourceconfig.json"
    file.write_text(json.dumps({"hosts": ["a"], "current_host": "a", "current_instance_type": instance_type}))
    assert Cluster.read(file, {}).is_wasted(gpus) is is_wasted
