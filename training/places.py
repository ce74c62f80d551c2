"""Where SageMaker lays what a training needs, and looks for what it leaves.

Contract: AWS, "How Amazon SageMaker AI Provides Training Information" and "... Processes Training Output".
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    base: Path
    """/opt/ml, or what stands for it."""

    @property
    def hyperparameters(self) -> Path:
        return self.base / "input/config/hyperparameters.json"

    @property
    def resources(self) -> Path:
        """Which instances the job has."""
        return self.base / "input/config/resourceconfig.json"

    def channel(self, name: str) -> Path:
        """`train`, `validation` (may be empty), and `live`, the archive of the model that is live (may be missing)."""
        return self.base / "input/data" / name

    @property
    def model(self) -> Path:
        """Becomes model.tar.gz."""
        return self.base / "model"

    @property
    def checkpoints(self) -> Path:
        """Kept in S3 while the training runs, and there again when it is started again."""
        return self.base / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        return self.base / "output/tensorboard"

    def fail(self, reason: str) -> int:
        """SageMaker shows the first 1024 characters as the job's FailureReason. The exit status."""
        file = self.base / "output/failure"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(reason)
        print(reason, flush=True)  # noqa: T201  # a training job's log is its standard output
        return 1
