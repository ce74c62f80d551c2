"""Settings of the running services: read once, at the start of a process, from the environment."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from yaml import YAMLError

from phenoloop.errors import SettingsInvalid
from phenoloop.secret_files import PublicFile, SecretFiles

BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
"""No ARN: a name can't lead to another account's access point."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StorageSettings(_Section):
    """Where the loop's objects live. Prefixes end with a slash."""

    bucket: BucketName
    images_prefix: str = "images/"
    annotations_prefix: str = "annotations/"
    snapshots_prefix: str = "snapshots/"
    runs_prefix: str = "runs/"
    artifacts_prefix: str = "artifacts/"
    releases_prefix: str = "releases/"
    cache_prefix: str = "cache/"
    """Of photos at the size that is learnt from; what lies there can be made again."""
    manifest_key: str = "loc360/manifest.json"
    """What the Loc360 platform reads to know the live release."""
    extra_image_buckets: tuple[BucketName, ...] = ()

    @property
    def image_buckets(self) -> frozenset[str]:
        return frozenset({self.bucket, *self.extra_image_buckets})


class LabelStudioSettings(_Section):
    url: str = Field(pattern=r"^https?://")
    token: SecretStr = Field(min_length=1)
    timeout_s: float = 30.0


class BackendSettings(_Section):
    """The Label Studio backend's own door. Label Studio gives up on /predict after 100 s."""

    user: str = Field(default="phenoloop", pattern=r"^[^:]+$")
    password: SecretStr = Field(min_length=12)
    host: str = "127.0.0.1"
    port: int = Field(default=9090, ge=1, le=65535)
    threads: int = Field(default=16, ge=1)
    """Requests at once."""
    tls_certificate: Path | None = None
    """With its chain, in PEM. Together with the key it makes the backend speak HTTPS only."""
    tls_key: Path | None = None
    predict_deadline_s: float = Field(default=85.0, gt=0, lt=100)
    prompt_deadline_s: float = Field(default=25.0, gt=0, lt=100)
    """For a smart tool's prompt, at which somebody looks and waits."""
    job_deadline_s: float = Field(default=600.0, gt=0, le=1500)
    """For one background job; what is not done then is tried again later. RQ itself ends a job after 1800 s."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Label Studio sends tasks with all their annotations and predictions: hundreds of tasks with brush masks fit."""
    parallel_tasks: int = Field(default=8, ge=1)
    """Of one batch, so that some photos are fetched and read while others keep the endpoints busy."""
    label_map: dict[str, str] = {}
    """Model label -> label in the project, where the names differ."""

    @model_validator(mode="after")
    def _key_and_certificate(self) -> "BackendSettings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class ChainSettings(_Section):
    endpoint_slots: int = Field(default=12, ge=1)
    """Most calls in flight to one endpoint from this process. Half as many again as it answers at once, say, so that
    each of its workers finds its next call waiting; no more than its concurrency if it is serverless."""
    invoke_timeout_s: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=4, ge=1)
    release_refresh_s: float = Field(default=2.0, gt=0, le=5)
    max_image_bytes: int = 200 * 1024 * 1024
    image_timeout_s: float = Field(default=60.0, gt=0)
    """For one photo to come from S3, with all attempts."""
    cache_folder: Path | None = None
    """Where photos and the models' replies are kept on this machine, for its user alone; all processes may share it.
    None: in the user's own cache."""
    photo_cache_bytes: int = Field(default=2 * 1024**3, ge=0)
    """Photos that were not used for longest go first; 0 keeps none."""
    reply_cache_bytes: int = Field(default=256 * 1024**2, ge=0)
    """About 20 KB a photo and release; 0 keeps none."""


class MonitoringSettings(_Section):
    """Where a worker or sync answers `/health`, `/ready` and `/metrics`, to anyone; the backend has its own door."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=1, le=65535)
    """Of this process; none, and nothing is opened."""


class RetrainingSettings(_Section):
    """When corrections are worth a run: enough of them, and then either quiet or the longest wait."""

    minimum_changes: int = Field(default=20, ge=1)
    """Annotations saved, changed or deleted since the last run's snapshot."""
    quiet_s: float = Field(default=300.0, ge=0)
    """Nobody saved anything for so long."""
    longest_wait_s: float = Field(default=4 * 3600.0, ge=0)
    """Since the first change: a project that is never quiet trains all the same."""
    runs_a_day: int = Field(default=6, ge=0)
    """Started by themselves within 24 hours; 0 leaves it to `phenoloop retrain`."""
    sweep_every_s: float = Field(default=60.0, gt=0)
    """How often everything is listed and compared, whatever the events say."""
    exports_every_s: float = Field(default=300.0, gt=0)
    """How often S3 is compared with Label Studio's own list of annotations."""


class TrainingSettings(_Section):
    """The SageMaker pipeline and what it makes."""

    pipeline: str = "phenoloop"
    package_group: str = "phenoloop-chain"
    role_arn: str = ""
    """Which SageMaker's jobs and endpoints take."""
    training_image: str = ""
    """Of preprocessing, training and evaluation. Its tag stands for the code: another one trains anew."""
    serving_image: str = ""
    endpoint_instance_type: str = "ml.c5.large"
    endpoint_instances_max: int = Field(default=1, ge=1)
    """Above 1, each endpoint grows with its calls up to so many instances, and shrinks again to one."""
    serverless_memory_mb: int | None = Field(default=None, ge=1024, le=6144, multiple_of=1024)
    """Given, endpoints are serverless ones of so much memory, instead of instances: idle ones cost nothing, and the
    first call after a pause waits until one has started."""
    serverless_calls_at_once: int = Field(default=12, ge=1, le=200)
    subnet_ids: str = Field(default="", pattern=r"^$|^subnet-\w+(,subnet-\w+)*$")
    """Of a VPC in which jobs and endpoints are to run, by commas. It needs a way to S3, and to CloudWatch's logs."""
    security_group_ids: str = Field(default="", pattern=r"^$|^sg-\w+(,sg-\w+)*$")
    spot: bool = True
    """Train on spot instances: far cheaper, and a training that loses them goes on from its checkpoint."""
    parameters: dict[str, str | int | float] = {}
    """Of the pipeline, where its defaults don't fit: see `phenoloop pipeline definition`."""

    @property
    def vpc(self) -> dict[str, list[str]]:
        """SageMaker's `VpcConfig`; empty if jobs and endpoints run in none."""
        if not self.subnet_ids:
            return {}
        return {"Subnets": self.subnet_ids.split(","), "SecurityGroupIds": self.security_group_ids.split(",")}

    @model_validator(mode="after")
    def _whole_vpc(self) -> "TrainingSettings":
        if bool(self.subnet_ids) != bool(self.security_group_ids):
            raise ValueError("subnet_ids and security_group_ids go together")
        if self.subnet_ids and self.serverless_memory_mb:
            raise ValueError("SageMaker puts no serverless endpoint into a VPC: leave out one of them")
        return self


class ReleaseSettings(_Section):
    """How careful a chain goes live. Its way and all reasons are in the rollout's record."""

    shadow_photos: int = Field(default=12, ge=0)
    """So many of the newest predicted photos go through the new chain before it goes live; 0 leaves it out. A dozen
    shows what is surely broken; whether a chain is better is the evaluation's business."""
    shadow_failures: float = Field(default=0.25, ge=0, le=1)
    """Share of these photos on which it may fail: a sound chain fails on none but broken photos."""
    shadow_found: float = Field(default=0.2, ge=0, le=1)
    """Of as many objects as the live chain found, it must find this share: better chains drop some, none drops most."""
    shadow_slower: float = Field(default=5.0, gt=1)
    """Times the live chain's median time on the same photos: a larger network is allowed, one on the wrong machine
    is not."""
    canary_projects: tuple[int, ...] = ()
    """Label Studio projects that get a new chain first; none, and it goes live for all at once."""
    canary_s: float = Field(default=3600.0, ge=0)
    """Without an alarm for so long, the others follow."""
    watch_s: float = Field(default=1800.0, ge=0)
    """So long after going live an alarm of its endpoints rolls a chain back by itself."""
    alarm_error_percent: float = Field(default=5.0, gt=0, le=100)
    """Of one endpoint's calls in a minute, two minutes of three: single broken photos stay below."""
    alarm_latency_ms: float = Field(default=20_000.0, gt=0)
    """90th percentile of a minute, two minutes of three. SageMaker ends a call at 60 s."""
    keep_previous_s: float = Field(default=7 * 24 * 3600.0, ge=0)
    """So long the endpoints of the release before stay up for a way back; then they are deleted."""
    open_tasks_a_minute: int = Field(default=240, ge=1)
    """Predicted anew after a release, newest first; the endpoints' remaining time is the annotators'."""


class Loc360Settings(_Section):
    """The git remote that the Loc360 module is published to."""

    remote: str = ""
    """Any that git takes: https, ssh or a path, without a password, since credentials are git's own. None, and nothing
    is pushed."""
    branch: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    author_name: str = Field(default="Phenoloop", min_length=1)
    author_email: str = Field(default="phenoloop@localhost", min_length=1)
    timeout_s: float = Field(default=120.0, gt=0)
    """For one command of git."""

    @field_validator("remote")
    @classmethod
    def _without_secret_or_program(cls, remote: str) -> str:
        if re.search(r"^https?://[^/]*@", remote):
            raise ValueError("leave the credentials to git: a credential helper or ssh")
        if remote.startswith("-") or re.match(r"\w+::", remote):
            raise ValueError("https://, ssh://, host:path or a path")
        return remote


class Settings(BaseSettings):
    """Everything the backend, its workers and sync need. AWS credentials and endpoints are boto3's own business.

    From the environment: `PHENOLOOP_STORAGE__BUCKET`, `PHENOLOOP_BACKEND__PASSWORD`, ...; secrets also from files of
    these names in the folder that `PHENOLOOP_SECRETS` names; what is not secret also from the YAML file that
    `PHENOLOOP_CONFIG` names. The environment wins.
    """

    model_config = SettingsConfigDict(
        env_prefix="PHENOLOOP_", env_nested_delimiter="__", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    storage: StorageSettings
    label_studio: LabelStudioSettings
    backend: BackendSettings
    chain: ChainSettings = ChainSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    training: TrainingSettings = TrainingSettings()
    release: ReleaseSettings = ReleaseSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    loc360: Loc360Settings = Loc360Settings()
    queue_url: str
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    """May hold a password; `rediss://` is TLS."""

    @classmethod
    def settings_customise_sources(  # the signature is the base class's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First wins, section by section: the environment, then the secrets' folder, then the YAML file."""
        return init_settings, env_settings, SecretFiles(settings_cls), PublicFile(settings_cls)


def read_settings() -> Settings:
    """Read the settings of this process.

    Raises SettingsInvalid naming each variable that is missing or wrong.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the values come from the environment
    except ValidationError as error:
        wrong = ", ".join("__".join(map(str, e["loc"])).upper() + ": " + e["msg"] for e in error.errors())
        raise SettingsInvalid("The settings are incomplete or wrong.", cure=f"Set PHENOLOOP_ then: {wrong}.") from error
    except (ValueError, TypeError, YAMLError, OSError) as error:  # of files and of values that are to be JSON
        raise SettingsInvalid("The settings can't be read.", cure=str(error)) from error
