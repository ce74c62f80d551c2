"""What Label Studio 1.23.2 sends to a backend, as far as we read it. What else it sends is passed over."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field

Item = TypeVar("Item")
Many = Annotated[list[Item], FailFast()]
"""A list of which the first wrong item is enough: millions of them would make millions of errors."""
MAX_DIGITS = 20
"""Of a project's number."""


def _none_is_empty(value: Any) -> Any:
    return {} if value is None else value


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Task(_Message):
    id: int | None = None
    project: int | None = None
    data: dict[str, Any]


class Context(_Message):
    result: Many[dict[str, Any]] = []
    """What the annotator just drew with a smart tool; the editor also asks once with nothing drawn, after saving."""


class Params(_Message):
    context: Context | None = None
    """Given in requests of smart tools only."""


class PredictRequest(_Message):
    tasks: Many[Task]
    label_config: str = Field(min_length=1)
    params: Annotated[Params, BeforeValidator(_none_is_empty)] = Params()


class SetupRequest(_Message):
    project: str
    """`ID.created`."""
    label_config: str = Field(default="", alias="schema")

    @property
    def project_id(self) -> int | None:
        """None if it says none."""
        number = self.project.partition(".")[0]
        return int(number) if number.isascii() and number.isdecimal() and len(number) < MAX_DIGITS else None


class _Named(_Message):
    id: int


class WebhookRequest(_Message):
    action: str
    project: _Named | None = None
    tasks: Many[_Named] = []
