"""What a kind of job agrees with its container: which files it finds, what it runs, what becomes of its output."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Protocol

from phenoloop.local_aws.sagemaker.containers import JobProgram
from phenoloop.local_aws.sagemaker.s3_files import WHOLE, Shard
from phenoloop.local_aws.sagemaker.store import Kind, Resource

CONTAINER_BASE = "/opt/ml"
NETWORK_INTERFACE = "lo"
MAX_TEXT = 700
"""Of what a container says about its failure; the rest of a FailureReason is ours."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine of a job's cluster: here a process with an /opt/ml of its own."""

    index: int
    count: int
    type: str
    base_dir: Path
    """Its /opt/ml."""
    port: int
    """Free on this machine, and the same for all instances of the job: where they may meet."""

    @property
    def name(self) -> str:
        return f"algo-{self.index + 1}"

    def shard(self, source: dict[str, Any]) -> Shard:
        """Its part of an S3 source."""
        return (self.index, self.count) if source.get("S3DataDistributionType") == "ShardedByS3Key" else WHOLE

    def resource_config(self) -> dict[str, Any]:
        """`resourceconfig.json`."""
        hosts = [f"algo-{number + 1}" for number in range(self.count)]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": self.type, "hosts": hosts}
        return {
            "current_host": self.name,
            "current_instance_type": self.type,
            "current_group_name": group["instance_group_name"],
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": NETWORK_INTERFACE,
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request gives its job."""

    instance_count: int
    instance_type: str
    limit_s: float
    """How long the containers may run, however often they are interrupted."""
    wait_limit_s: float = inf
    """How long the job may take, from its creation."""
    is_spot: bool = False
    """Its instances may be taken away; it then starts again, with its checkpoints."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of the container that is uploaded while it runs."""

    folder: str
    """As the container knows it."""
    url: str
    comes_back: bool
    """What lies there in S3 is in the folder when the container starts."""


class Contract(Protocol):
    @property
    def kind(self) -> Kind: ...

    def terms(self, request: dict[str, Any]) -> Terms: ...

    def fill(self, job: Resource, request: dict[str, Any], instance: Instance) -> None:
        """Write what the container finds under its base folder. Raises S3Unreadable."""

    def kept(self, job: Resource, request: dict[str, Any]) -> list[Kept]: ...

    def program(self, job: Resource, request: dict[str, Any], instance: Instance) -> JobProgram: ...

    def message(self, base_dir: Path) -> str:
        """What the container wrote about its end; empty if nothing."""

    def collect(
        self, job: Resource, request: dict[str, Any], base_dirs: Sequence[Path], *, failed: bool, stopped: bool
    ) -> None:
        """Upload what the containers wrote. Raises S3Unwritable."""


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
