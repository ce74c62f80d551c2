"""What was found: each breach under the rule that it breaks."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """What Loc360 expects of a module."""

    SIGNATURE = "signature"
    """`sagemaker_preprocess(img_path, metadata)` and `process(img_path, metadata)`."""
    RUNS = "runs"
    """A good photo goes through the three calls."""
    PAYLOAD = "payload"
    """`sagemaker_preprocess` returns a string."""
    SIZE = "size"
    """No call takes more than SageMaker does."""
    RESULT = "result"
    """`process` returns a dictionary that JSON can hold."""
    SPLITTING = "splitting"
    """A list of payloads gives the same result sent as one call or as one call an element."""
    STATELESS = "stateless"
    """Nothing is remembered from call to call."""
    DETERMINISTIC = "deterministic"
    """The same call gives the same again."""
    METADATA = "metadata"
    """The metadata are left as they were given."""
    PURE = "pure"
    """Nothing is written, started or connected to, and the environment stays."""
    UPRIGHT = "upright"
    """A photo is measured as its EXIF orientation says."""
    NO_FINDS = "no finds"
    """A photo of nothing has a result."""
    UNKNOWN_MODEL = "unknown model"
    UNREADABLE_PHOTO = "unreadable photo"
    MODEL_ERROR = "model error"
    GAPS = "gaps"
    """Replies that are missing or doubled are refused."""
    ONE_RELEASE = "one release"
    """Replies of another release are refused."""


@dataclass(frozen=True, slots=True)
class Breach:
    rule: Rule
    did: str
    """What the platform did."""
    expected: str
    seen: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.did}: expected {self.expected}, saw {self.seen}"


Breaches = Iterator[Breach]


@dataclass(frozen=True, slots=True)
class Report:
    breaches: tuple[Breach, ...]
    unchecked: tuple[Rule, ...]
    """For which these photos gave no occasion."""
