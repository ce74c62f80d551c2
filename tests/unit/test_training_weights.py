"""An encoder's weights are found wherever the parameter says they lie, or the job says why not."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from training.errors import JobFailed
from training.learning.weights import placed_weights


class Bucket:
    def download_file(self, bucket: str, key: str, file: str) -> None:
        if (bucket, key) != ("weights", "lite0.pt"):
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        Path(file).write_bytes(b"weights")


@pytest.mark.parametrize("weights", ["package", "hub", "none"])
def test_what_is_no_file_stays_as_it_is(weights: str, tmp_path: Path) -> None:
    assert placed_weights(weights, tmp_path, None) == weights


def test_a_file_of_a_channel_lies_among_the_channels(tmp_path: Path) -> None:
    assert placed_weights("file:encoder/lite0.pt", tmp_path, None) == f"file:{tmp_path}/input/data/encoder/lite0.pt"


def test_a_file_in_s3_is_fetched(tmp_path: Path) -> None:
    kind, _, path = placed_weights("file:s3://weights/lite0.pt", tmp_path, Bucket()).partition(":")
    assert (kind, Path(path).read_bytes()) == ("file", b"weights")


def test_a_file_that_is_not_there_is_a_clear_failure(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"none\.pt"):
        placed_weights("file:s3://weights/none.pt", tmp_path, Bucket())
