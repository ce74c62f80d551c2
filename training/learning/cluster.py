"""The machines of a training job, and torchrun's words for starting one process a GPU on each of them."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import JobFailed

_PORT = "29500"
_SHUTDOWN_S = "110"
"""After SIGTERM, for the last checkpoint and the model; SageMaker kills after 120 s."""


@dataclass(frozen=True, slots=True)
class Cluster:
    hosts: Sequence[str] = ("localhost",)
    """Of all machines, the first one leading."""
    host: str = "localhost"
    """This machine."""
    instance_type: str = ""
    """Of all machines; empty if nobody says."""

    @classmethod
    def read(cls, resources: Path, environment: Mapping[str, str]) -> "Cluster":
        """From `SM_HOSTS` and `SM_CURRENT_HOST`, else from SageMaker's `resourceconfig.json`, else this machine alone.

        Raises JobFailed.
        """
        try:
            if "SM_HOSTS" in environment:
                found = cls(tuple(json.loads(environment["SM_HOSTS"])), environment["SM_CURRENT_HOST"])
            elif resources.is_file():
                told = json.loads(resources.read_text())
                found = cls(tuple(told["hosts"]), str(told["current_host"]), told.get("current_instance_type", ""))
            else:
                return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobFailed(f"{resources.name} does not name the job's instances: {error!r}.") from error
        if found.host not in found.hosts:
            raise JobFailed(f"{resources.name} names {found.host!r} as this instance, which is none of the job's.")
        return found

    def is_wasted(self, gpus: int) -> bool:
        """Whether the machines are paid for GPUs that torch does not find."""
        return gpus == 0 and re.match(r"ml\.[gp]\d", self.instance_type) is not None

    def torchrun(self, command: Sequence[str], processes: int, environment: Mapping[str, str]) -> list[str] | None:
        """What starts the module `command` with `processes` processes on this machine; None if one process is all.

        They meet where `MASTER_ADDR` and `MASTER_PORT` say, else at the first machine.
        """
        if len(self.hosts) * processes == 1:
            return None
        meeting = ["--standalone"]
        if len(self.hosts) > 1:
            address, port = environment.get("MASTER_ADDR", self.hosts[0]), environment.get("MASTER_PORT", _PORT)
            rank = str(self.hosts.index(self.host))
            meeting = ["--nnodes", str(len(self.hosts)), "--node-rank", rank, "--master-addr", address,
                       "--master-port", port]  # fmt: skip
        words = [*meeting, "--nproc-per-node", str(processes), "--shutdown-timeout", _SHUTDOWN_S]
        return [sys.executable, "-m", "torch.distributed.run", *words, "--module", *command]
