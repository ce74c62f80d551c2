"""The one family of exceptions. Foreign errors become one of these once, at the boundary, chained."""

from typing import ClassVar

_LONGEST_FACT = 300


class PhenoloopError(Exception):
    """Base of all our errors.

    `message` is a constant sentence, `cure` says what to do, `facts` are the values of this case (never secrets,
    bodies or presigned URLs). `retryable` is a property of the kind of error, not of the caller.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, cure: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.facts = facts

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={_shown(value)}" for name, value in self.facts.items())
        return " ".join(part for part in (self.message, f"({facts})" if facts else "", self.cure) if part)


class TimeOver(PhenoloopError):
    """The time for this work was over before it was done."""

    retryable = True


def _shown(value: object) -> str:
    """Cut short, and fit to be written: a fact may be what a stranger sent."""
    try:
        text = str(value)
    except ValueError:  # a number of thousands of digits
        text = f"a {type(value).__name__} too long to write"
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _LONGEST_FACT else f"{text[:_LONGEST_FACT]}..."


class SettingsInvalid(PhenoloopError):
    """A setting is missing or out of range."""


class ImageRefused(PhenoloopError):
    """An image reference points outside the allowed buckets."""


class ImageMissing(PhenoloopError):
    """The object that an image reference names is not there or may not be read."""


class ImageUnreadable(PhenoloopError):
    """The object is there but is no image we can open."""


class StorageUnavailable(PhenoloopError):
    """S3 did not answer, throttled us or failed."""

    retryable = True


class BucketMissing(PhenoloopError):
    """A bucket is not there or may not be written."""


class AnnotationMissing(PhenoloopError):
    """The object of an annotation is not there or may not be read."""


class PredictionMissing(PhenoloopError):
    """Label Studio has no such prediction, or no longer."""


class SnapshotMissing(PhenoloopError):
    """No such snapshot was made, or a part of it is not there or can't be read."""


class NothingToLearn(PhenoloopError):
    """No annotation that a model could be trained on."""


class RunMissing(PhenoloopError):
    """No such training run was asked for."""


class RunEnded(PhenoloopError):
    """The training run is not at work, so it can't be stopped."""


class WriteConflict(PhenoloopError):
    """A conditional write lost: someone else wrote the object first."""

    retryable = True


class EndpointUnavailable(PhenoloopError):
    """The endpoint throttled, timed out or failed in a way that may pass."""

    retryable = True


class CircuitOpen(EndpointUnavailable):
    """The endpoint failed so often that it is not called for a while."""


class EndpointRefused(PhenoloopError):
    """The endpoint is missing, or will never accept this request."""


class ModelReplyInvalid(PhenoloopError):
    """A model answered with an error, with rubbish, or with parts missing or from different releases."""


class ReleaseMissing(PhenoloopError):
    """No release is live, or the pointer names one that is not there."""


class SageMakerUnavailable(PhenoloopError):
    """SageMaker's control plane did not answer, throttled us or failed."""

    retryable = True


class RegistryFailed(PhenoloopError):
    """The model registry refused, or a package is not what it should be."""


class NotAChain(RegistryFailed):
    """A model package that is no chain of ours, or one that can't be read as one."""


class SmokeTestFailed(PhenoloopError):
    """A new chain's endpoints are in service but don't do what the module needs."""


class ShadowFailed(PhenoloopError):
    """A new chain surely does worse than the live one on what was really asked."""


class AlarmRaised(PhenoloopError):
    """CloudWatch says that an endpoint of a new chain does badly."""


class CloudWatchUnavailable(PhenoloopError):
    """CloudWatch did not answer, throttled or refused us."""

    retryable = True


class ModuleRefused(PhenoloopError):
    """A Loc360 module breaks the platform's contract, or is not of the release it is to be published for."""


class ModuleNotBuilt(PhenoloopError):
    """A Loc360 module could not be built or installed, for want of packages or time."""

    retryable = True


class RemoteFailed(PhenoloopError):
    """The git remote did not answer or refused what we pushed."""

    retryable = True


class LabellingConfigInvalid(PhenoloopError):
    """The project's labelling configuration can't be used."""


class TaskInvalid(PhenoloopError):
    """A task, annotation or prompt is not of the form Label Studio documents."""


class LabelStudioUnavailable(PhenoloopError):
    """Label Studio did not answer or failed in a way that may pass."""

    retryable = True


class LabelStudioRefused(PhenoloopError):
    """Label Studio refused the request: wrong token, missing project, invalid body."""


class QueueUnavailable(PhenoloopError):
    """Redis did not answer. What it held is found again by the next sweep."""

    retryable = True


class JobRefused(PhenoloopError):
    """The queue names something that our workers don't do."""


class JobsFailed(PhenoloopError):
    """Background jobs ended without having done all of their tasks."""


class EventsUnavailable(PhenoloopError):
    """The queue of S3 events did not answer."""

    retryable = True


class EventInvalid(PhenoloopError):
    """A queue message is not an S3 event we know."""


class ConsoleBusy(PhenoloopError):
    """As many people as the console serves at once are trying photos."""

    retryable = True


class LocalStackError(PhenoloopError):
    """A local service can't be installed, started or reached."""


class DeploymentFailed(PhenoloopError):
    """The AWS stack could not be planned or deployed."""
