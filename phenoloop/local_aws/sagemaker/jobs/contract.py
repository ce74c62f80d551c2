"""What a kind of job agrees with its container: which files it finds, what it runs, what becomes of its output."""

import json
from pathlib import Path
from typing import Any, Protocol

from phenoloop.local_aws.sagemaker.containers import JobProgram
from phenoloop.local_aws.sagemaker.store import Kind, Resource

CONTAINER_BASE = "/opt/ml"
HOST = "algo-1"
MAX_TEXT = 700
"""Of what a container says about its failure; the rest of a FailureReason is ours."""


class Contract(Protocol):
    @property
    def kind(self) -> Kind: ...

    def limit_s(self, request: dict[str, Any]) -> float:
        """How long the container may run."""

    def fill(self, job: Resource, request: dict[str, Any], base_dir: Path) -> None:
        """Write what the container finds under `base_dir`. Raises S3Unreadable."""

    def program(self, job: Resource, request: dict[str, Any], base_dir: Path) -> JobProgram: ...

    def message(self, base_dir: Path) -> str:
        """What the container wrote about its end; empty if nothing."""

    def collect(self, job: Resource, request: dict[str, Any], base_dir: Path, *, failed: bool, stopped: bool) -> None:
        """Upload what the container wrote. Raises S3Unwritable."""


def local_path(container_path: str, base_dir: Path) -> Path:
    """Where a path under /opt/ml lies here."""
    return base_dir / container_path.removeprefix(CONTAINER_BASE).lstrip("/")


def is_under_base(container_path: str) -> bool:
    within = container_path == CONTAINER_BASE or container_path.startswith(f"{CONTAINER_BASE}/")
    return within and ".." not in Path(container_path).parts


def localised(words: list[str], base_dir: Path) -> list[str]:
    """A command line whose words name files under /opt/ml."""
    return [str(local_path(word, base_dir)) if is_under_base(word) else word for word in words]


def write_json(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=1))


def read_text(file: Path) -> str:
    return file.read_text(errors="replace").strip()[:MAX_TEXT] if file.is_file() else ""


def resource_config(instance_type: str) -> dict[str, Any]:
    """`resourceconfig.json` of a cluster of one."""
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": group["instance_group_name"],
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
