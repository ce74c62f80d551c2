"""SageMaker's own error vocabulary: what a refused call is answered with. Names are the codes that boto3 reports."""

from typing import Any, ClassVar


class ServiceError(Exception):
    """An answer other than success. `fields` are members of the error shape besides the message."""

    status: ClassVar[int] = 400

    def __init__(self, message: str, *, status: int | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = status or self.status
        self.fields = fields

    @property
    def code(self) -> str:
        return type(self).__name__


class ValidationException(ServiceError):
    """Control plane: the request can't be carried out as it is. SageMaker uses it for missing resources too."""


class ConflictException(ServiceError):
    """Control plane: something else depends on the resource."""


class ResourceNotFound(ServiceError):
    """Control plane: no pipeline or execution of this name."""


class ResourceInUse(ServiceError):
    """Control plane: the name of a job is taken."""


class UnknownOperationException(ServiceError):
    """Control plane: not an operation of SageMaker's, or not one that is emulated."""


class ValidationError(ServiceError):
    """Runtime: wrong request, missing endpoint or variant."""


class ModelError(ServiceError):
    """Runtime: the container answered with an error, too late or not at all."""

    status = 424


class ServiceUnavailable(ServiceError):
    """Runtime: no container of the endpoint is up at the moment."""

    status = 503


class InternalFailure(ServiceError):
    """Both: a fault of the emulator."""

    status = 500


def refuse_unsupported(values: dict[str, Any], *members: str) -> None:
    """Raise ValidationException if `values` asks for what the emulator does not do, rather than ignore it."""
    for member in members:
        if values.get(member):
            raise ValidationException(f"The local SageMaker does not emulate {member}. Leave it out.")
