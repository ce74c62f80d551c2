"""What an endpoint serves and where it stands: the part of an endpoint's record that must survive a restart."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from phenoloop.local_aws.sagemaker.store import Resource

MAX_REASON = 1024


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Status(StrEnum):
    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"


class Variant(_Record):
    """A production variant with its container resolved: later changes of the model don't reach it."""

    name: str
    image: str
    model_data_url: str | None
    environment: dict[str, str]
    weight: float
    instance_count: int
    """As asked for; one process runs whatever the count."""
    startup_timeout_s: float | None


class Deployment(_Record):
    id: str
    """Names the deployment's folder."""
    config_name: str
    started_at_s: float
    variants: tuple[Variant, ...]


class Endpoint(_Record):
    """`live` takes the traffic, `pending` is on its way (or failed, if the endpoint never came up)."""

    status: Status
    live: Deployment | None = None
    pending: Deployment | None = None
    failure_reason: str = ""

    @classmethod
    def of(cls, resource: Resource) -> "Endpoint":
        return cls.model_validate(resource.document)

    @classmethod
    def creating(cls, deployment: Deployment) -> "Endpoint":
        return cls(status=Status.CREATING, pending=deployment)

    def updating(self, deployment: Deployment) -> "Endpoint":
        return Endpoint(status=Status.UPDATING, live=self.live, pending=deployment)

    def deployed(self) -> "Endpoint":
        """What was pending is live."""
        return Endpoint(status=Status.IN_SERVICE, live=self.pending)

    def failed(self, reason: str) -> "Endpoint":
        """Back to what is live; an endpoint that never was has failed."""
        if self.live:
            return Endpoint(status=Status.IN_SERVICE, live=self.live, failure_reason=reason[:MAX_REASON])
        return Endpoint(status=Status.FAILED, pending=self.pending, failure_reason=reason[:MAX_REASON])

    def having(self, status: Status) -> "Endpoint":
        return self.model_copy(update={"status": status})
