"""`python3 -m training.search`: which hyperparameters make the best model of one stage?

A training job with another entry point, since that is what SageMaker uploads checkpoints and TensorBoard's events of
while it works, gives back after it took a spot instance away, and stops with time to end in good order.

Channels: `train`, `validation` and `test` (which no trial sees). Hyperparameters: those of the training, which is the
first trial, and the search's own, see `training.search.settings`. Outputs: the best trial's model as the job's own,
`search.json` (see `training.search.report`) in the checkpoints after each trial and in the output data at the end, and
TensorBoard's events with its HParams table. A search that finds its checkpoints goes on from there.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from training.job import failure_reason
from training.places import Places
from training.search.settings import read_settings
from training.search.study import Search
from training.search.trial import UnderWay


def main() -> None:
    """Environment: `SAGEMAKER_BASE_DIR` (/opt/ml), `OMP_NUM_THREADS` (all trials' together)."""
    sys.exit(search(Places(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))), os.environ))


def search(places: Places, environment: Mapping[str, str]) -> int:
    """The exit status; the reason of a failure is left where SageMaker reads it."""
    under_way = UnderWay.until_sigterm()
    try:
        settings = read_settings(json.loads(places.hyperparameters.read_text()))
        Search(settings, places, environment, under_way).run()
    except Exception as error:  # noqa: BLE001  # whatever it is, SageMaker reads it from the file
        return places.fail(failure_reason(error))
    return 0


if __name__ == "__main__":
    main()
