"""`python -m training train`: the training container's entry point.

With several GPUs or instances it becomes torchrun, which starts it again once a GPU on every instance.
"""

import os
import sys
import time
from pathlib import Path

from training.errors import JobFailed
from training.learning.cluster import Cluster
from training.places import Places

STARTED_S = "TRAINING_STARTED_S"
"""Environment: when the first of these processes started, on time.monotonic's clock, which all of a machine share."""

NO_GPU = "build this image with TORCH_BACKEND for GPUs, or set TrainingInstanceType to a machine without."


def main() -> None:
    """Environment: `SAGEMAKER_BASE_DIR` (/opt/ml), `TRAINING_JOB_NAME`. torch's own `OMP_NUM_THREADS` is heeded."""
    os.environ.setdefault(STARTED_S, str(time.monotonic()))
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for newer versions of itself
    if sys.argv[1:] != ["train"]:
        sys.exit("Usage: python -m training train")
    places = Places(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")))
    if "LOCAL_RANK" not in os.environ:
        _become_torchrun(places)
    from training.train import train  # torch takes seconds to load, and they count

    sys.exit(train(places, job=os.environ.get("TRAINING_JOB_NAME", ""), started_s=float(os.environ[STARTED_S])))


def _become_torchrun(places: Places) -> None:
    """Unless this one process is all that there is to be."""
    import torch

    try:
        cluster = Cluster.read(places.resources, os.environ)
    except JobFailed as error:
        sys.exit(places.fail(str(error)))
    gpus = torch.cuda.device_count()
    if cluster.is_wasted(gpus):
        print(f"torch finds no GPU on {cluster.instance_type}: {NO_GPU}", flush=True)  # noqa: T201  # the job's log
    if words := cluster.torchrun(["training", "train"], max(1, gpus), os.environ):
        os.execv(words[0], words)  # noqa: S606  # a process of our own, no shell


if __name__ == "__main__":
    main()
