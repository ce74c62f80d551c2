"""Where an encoder's weights come from, as far as that can be told before the network is made."""

from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from training.data.snapshot import bucket_and_key
from training.errors import JobFailed

FETCHED = "encoder-weights"


def placed_weights(weights: str, base: Path, s3: Any) -> str:
    """`weights` with `file:` followed by a path on this machine.

    `file:s3://BUCKET/KEY` is fetched; `file:CHANNEL/NAME` lies in the folder of the job's channels; what is no file
    (`package`, `hub`, `none`) stays. Raises JobFailed if it can't be fetched.
    """
    kind, _, place = weights.partition(":")
    if kind != "file":
        return weights
    if not place.startswith("s3://"):
        return f"file:{base / 'input/data' / place}"
    bucket, key = bucket_and_key(place)
    try:
        s3.download_file(bucket, key, str(base / FETCHED))
    except (ClientError, BotoCoreError, OSError) as error:
        raise JobFailed(f"The encoder's weights can't be fetched from {place}: {error}") from error
    return f"file:{base / FETCHED}"
