"""What can go wrong in the module, each with one clear message. `retryable` says whether trying again can help."""

from typing import ClassVar


class Loc360Error(Exception):
    """Base of the module's errors."""

    retryable: ClassVar[bool] = False


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
