"""How a SageMaker processing job begins and ends, and what any job says of its failure.

Protocol: AWS, "Build Your Own Processing Container": inputs and outputs below `/opt/ml/processing`, the reason of a
failure in `/opt/ml/output/message` (`ExitMessage`, at most 1 KB), an exit status other than 0.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.errors import JobFailed

_MESSAGE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class ProcessingFolders:
    base: Path

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "ProcessingFolders":
        """`SAGEMAKER_BASE_DIR` stands for `/opt/ml`."""
        return cls(Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml")))

    def input_file(self, name: str) -> Path:
        """The one file of an input. Raises JobFailed if there is none or more than one."""
        files = [path for path in sorted((self.base / "processing" / "input" / name).rglob("*")) if path.is_file()]
        if len(files) != 1:
            raise JobFailed(f"The input {name!r} must be one file, not {len(files)}.")
        return files[0]

    def input(self, name: str) -> Path:
        return self.base / "processing" / "input" / name

    def output(self, name: str) -> Path:
        """The folder, made if it is missing."""
        folder = self.base / "processing" / "output" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def host(self) -> str:
        """The name of this instance among the job's. Raises JobFailed if SageMaker's file is not of its form."""
        file = self.base / "config" / "resourceconfig.json"
        try:
            return str(json.loads(file.read_text())["current_host"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobFailed(f"{file} does not name this instance: {error!r}.") from error

    @property
    def message(self) -> Path:
        return self.base / "output" / "message"


def run_to_exit(folders: ProcessingFolders, work: Callable[[ProcessingFolders], None]) -> None:
    """Do the work and leave the process: 0 if it is done, 1 with the reason in `message` if not."""
    try:
        work(folders)
    except Exception as error:  # noqa: BLE001  # whatever it is, SageMaker shows only what is in the message
        traceback.print_exc()
        folders.message.parent.mkdir(parents=True, exist_ok=True)
        folders.message.write_bytes(failure_reason(error).encode()[:_MESSAGE_BYTES])
        sys.exit(1)


def failure_reason(error: Exception) -> str:
    """What to do if the job failed for a known reason, else what happened, its type first, then where.

    SageMaker keeps only the beginning: 1024 characters of a training, 1 KB of a processing job.
    """
    if isinstance(error, JobFailed):
        return str(error)
    return f"{type(error).__name__}: {error}\n\n{''.join(traceback.format_exception(error))}"
