"""A container whose host has trouble ends with the reason, and is not left behind."""

import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.sagemaker.containers import Images, Launcher
from phenoloop.local_aws.sagemaker.deployments import Variant
from phenoloop.local_aws.sagemaker.replica import ContainerFailed, Replica, Workshop
from tests.contract.sagemaker_server import IMAGE, is_running


class FullStore:
    """A store that can't write."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def record_process(self, pid: int, _created_at_s: float) -> None:
        self.pids.append(pid)
        raise sqlite3.OperationalError("database or disk is full")

    def forget_process(self, _pid: int) -> None:
        """Nothing was recorded."""


def test_a_container_that_can_not_be_recorded_fails_and_is_stopped(tmp_path: Path) -> None:
    store: Any = FullStore()
    model_data: Any = None  # the variant has none
    images = Images.parse([f"fake-serving={sys.executable}:tests.contract.sagemaker_container"])
    launcher = Launcher(images, os.environ, REPOSITORY)
    workshop = Workshop(launcher, model_data, store, startup_timeout_s=4.0, stop_timeout_s=3.0)
    variant = Variant(
        name="live",
        image=IMAGE,
        model_data_url=None,
        environment={},
        weight=1.0,
        instance_count=1,
        startup_timeout_s=None,
    )
    replica = Replica(workshop, variant, tmp_path / "replica", tmp_path / "log", patient=False)
    with pytest.raises(ContainerFailed, match="disk is full"):
        replica.wait_until_healthy()
    (pid,) = store.pids
    assert not is_running(pid)
