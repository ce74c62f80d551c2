"""What ends a job. The text is what SageMaker shows as the reason, so it says what to do."""

from loc360.errors import Loc360Error


class JobFailed(Loc360Error):
    """The job can't go on with what it was given."""


class SnapshotInvalid(JobFailed):
    """The snapshot or one of its shards is missing or not of the form that sync writes."""


class DatasetInvalid(JobFailed):
    """A prepared folder is missing or not of the form that preprocessing writes."""


class ArchiveInvalid(JobFailed):
    """A `model.tar.gz` is unreadable, unsafe to unpack or lacks what makes it a model."""


class CallRefused(Loc360Error):
    """A model's code raised on one request; it may do well on the next."""


class ObjectMissing(Loc360Error):
    """An object in S3 is not there or not for us; the text is S3's code."""
