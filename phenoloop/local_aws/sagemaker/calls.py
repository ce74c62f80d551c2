"""One call to the control plane, and what a handler of it looks like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is valid against its operation's input shape."""

    operation: str
    region: str
    parameters: dict[str, Any]

    def __getitem__(self, member: str) -> Any:
        return self.parameters[member]

    def get(self, member: str, default: Any = None) -> Any:
        return self.parameters.get(member, default)

    def arn(self, kind: str, name: str) -> str:
        """SageMaker writes names in lower case there."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:{kind}/{name.lower()}"


Handler = Callable[[Call], Reply]


class Noun(Protocol):
    """A kind of resource and the operations on it."""

    def handlers(self) -> dict[str, Handler]: ...
