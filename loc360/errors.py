"""What can go wrong in the module, each with one clear message. `retryable` says whether trying again can help."""

from typing import ClassVar

_LONGEST_MESSAGE = 500


class Loc360Error(Exception):
    """Base of the module's errors."""

    retryable: ClassVar[bool] = False

    def __str__(self) -> str:
        """Cut short, and fit to be written: a message may quote what a stranger sent."""
        text = super().__str__().encode(errors="backslashreplace").decode()
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."


class PhotoUnreadable(Loc360Error):
    """The photo is missing, truncated, a decompression bomb or no image."""


class MetadataInvalid(Loc360Error):
    """The platform's metadata lacks a property or holds one of the wrong form."""


class UnknownModel(Loc360Error):
    """`dl_model_name` names neither stage of the release."""


class ReplyInvalid(Loc360Error):
    """A model's reply is an error, rubbish, incomplete, or belongs to another release."""


class RequestInvalid(Loc360Error):
    """A request to a model is not of the form that `loc360.wire` documents (raised inside the containers)."""
