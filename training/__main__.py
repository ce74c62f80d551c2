"""`python -m training train`: the training container's entry point."""

import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Environment: `SAGEMAKER_BASE_DIR` (/opt/ml), `TRAINING_JOB_NAME`. torch's own `OMP_NUM_THREADS` is heeded."""
    started_s = time.monotonic()
    from training.train import train  # torch takes seconds to load, and they count

    if sys.argv[1:] != ["train"]:
        sys.exit("Usage: python -m training train")
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    sys.exit(train(base, job=os.environ.get("TRAINING_JOB_NAME", ""), started_s=started_s))


if __name__ == "__main__":
    main()
