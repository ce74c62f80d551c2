"""The platform: calls model after model with what the module hands it, and knows nothing of what the strings mean."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loc360.conformance.calls import PREPROCESS, PROCESS, Call, Outcome
from loc360.payloads import PAYLOAD_LIMIT_BYTES

Invoke = Callable[[str, str], str]
"""Model (`dl_model_name`), payload -> the model's raw reply."""


@dataclass(frozen=True, slots=True)
class Course:
    """One photo's way through the calls, as far as it got."""

    photo: str
    outcomes: tuple[Outcome, ...]
    """Of `sagemaker_preprocess` for each model, then of `process`; the last may have failed."""
    replies: tuple[str, ...]
    """`sagemaker_response` after each model."""
    largest_bytes: int
    """Of the calls of the models; the one that is too large was not made."""
    splits_lists: bool
    was_split: bool
    """The last payload was a list, and was sent as one call an element."""

    @property
    def last(self) -> Outcome:
        return self.outcomes[-1]

    @property
    def is_too_large(self) -> bool:
        return self.largest_bytes >= PAYLOAD_LIMIT_BYTES

    @property
    def is_done(self) -> bool:
        return self.last.function == PROCESS and self.last.returned

    @property
    def result(self) -> Any:
        return json.loads(self.last.text)

    @property
    def split_replies(self) -> list[str]:
        """Of the last model, one for each element of its payload; empty if that was sent as a whole."""
        return json.loads(self.replies[-1]) if self.was_split else []


@dataclass(frozen=True, slots=True)
class Platform:
    invoke: Invoke
    models: tuple[str, ...]
    """`dl_model_name` of each model, in order."""
    properties: Mapping[str, Any]
    """What is given with every call, besides."""
    _known: dict[tuple[str, str], str] = field(default_factory=dict)

    def run(self, call: Call, photo: str, *, splits_lists: bool) -> Course:
        outcomes: list[Outcome] = []
        replies: list[str] = []
        largest_bytes, elements = 0, None

        def course() -> Course:
            was_split = elements is not None
            return Course(photo, tuple(outcomes), tuple(replies), largest_bytes, splits_lists, was_split)

        for model in self.models:
            outcomes.append(call(PREPROCESS, photo, self.metadata(model, *replies[-1:])))
            if not outcomes[-1].returned:
                return course()
            payload = outcomes[-1].text
            elements = _elements(payload) if splits_lists else None
            calls = [payload] if elements is None else elements
            largest_bytes = max(largest_bytes, *(len(text.encode()) for text in calls), 0)
            if largest_bytes >= PAYLOAD_LIMIT_BYTES:
                return course()
            answers = [self._reply(model, text) for text in calls]
            replies.append(answers[0] if elements is None else json.dumps(answers))
        outcomes.append(call(PROCESS, photo, self.metadata(self.models[-1], *replies[-1:])))
        return course()

    def metadata(self, model: str, reply: str | None = None) -> dict[str, Any]:
        """Made anew for each call."""
        response = {} if reply is None else {"sagemaker_response": reply}
        return {"properties": {**self.properties, "dl_model_name": model, **response}}

    def _reply(self, model: str, payload: str) -> str:
        """A model asked the same again has said so already: it is the module that is looked at."""
        if (model, payload) not in self._known:
            self._known[model, payload] = self.invoke(model, payload)
        return self._known[model, payload]


def _elements(payload: str) -> list[str] | None:
    """The calls that a stringified list stands for; None if it is none."""
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    return [item if isinstance(item, str) else json.dumps(item) for item in value]
