"""Every program of the stack: its command, its environment, how to see that it is ready."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from pydantic import BaseModel

from phenoloop.demo.state import DataFolder, Ports, Secrets
from phenoloop.local_aws import services
from phenoloop.local_aws.environments import REPOSITORY, REQUIREMENTS, environment_python
from phenoloop.local_aws.processes import Service, answers
from phenoloop.local_aws.sagemaker.containers import free_port
from phenoloop.settings import RetrainingSettings, TrainingSettings

BUCKET = "phenoloop"
QUEUE = "phenoloop-annotations"
IMAGES, ANNOTATIONS, RELEASES = "images/", "annotations/", "releases/"
ANNOTATOR = "annotator@phenoloop.local"
BACKEND_USER = "phenoloop"
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
RETRAINING = RetrainingSettings(minimum_changes=20, quiet_s=30, runs_a_day=100, sweep_every_s=20)
"""For someone who corrects two dozen photos and watches."""
MONITORING_PORT = "PHENOLOOP_MONITORING__PORT"
OVERRIDABLE = ("PHENOLOOP_CHAIN__", "PHENOLOOP_RETRAINING__", "PHENOLOOP_TRAINING__", "PHENOLOOP_RELEASE__")


@dataclass(frozen=True, slots=True)
class Programs:
    """On one data folder, with its ports and secrets. Secrets travel in environments, never on command lines."""

    folder: DataFolder
    ports: Ports
    secrets: Secrets
    overrides: Mapping[str, str]
    """The user's own settings of retraining, training and release."""

    def label_studio(self) -> Service:
        folder, port = self.folder.path / "label-studio", self.ports.label_studio
        folder.mkdir(exist_ok=True)
        python = environment_python("label-studio")
        return Service(
            name="label-studio",
            command=[
                *(str(python.with_name("label-studio")), "start", "--no-browser", "--data-dir", str(folder)),
                *("--internal-host", "127.0.0.1", "-p", str(port), "--enable-legacy-api-token"),
            ],
            environment=services.base_environment()
            | self.aws_environment()
            | {
                "LABEL_STUDIO_USERNAME": ANNOTATOR,
                "LABEL_STUDIO_PASSWORD": self.secrets.label_studio_password,
                "LABEL_STUDIO_USER_TOKEN": self.secrets.label_studio_token,
                "COLLECT_ANALYTICS": "false",
                "LATEST_VERSION_CHECK": "false",
                "SENTRY_DSN": "",  # nothing is reported to anyone
                "FRONTEND_SENTRY_DSN": "",
                "ML_BLOCK_LOCAL_IP": "false",
                "SSRF_PROTECTION_ENABLED": "false",
                # else it counts the whole project anew whenever predictions are stored
                "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short": "true",
            },
            folder=folder,
            is_ready=lambda: answers(self.url("label_studio") + "/health"),
            ready_timeout_s=300.0,
        )

    def ministack(self) -> Service:
        return services.ministack(self.folder.path / "aws", self.ports.s3)

    def sagemaker(self) -> Service:
        return services.sagemaker(self.folder.path / "sagemaker", self.ports.sagemaker, s3_port=self.ports.s3)

    def redis(self) -> Service:
        return services.redis(self.folder.path / "redis", self.folder.socket_path("redis.sock"))

    def own_services(self, queue_url: str, *, workers: int) -> list[Service]:
        environment = services.base_environment() | self.aws_environment() | self.settings(queue_url)
        commands: Mapping[str, list[str]] = {
            "backend": [sys.executable, "-m", "ml_backend"],
            **{f"worker-{n}": [sys.executable, "-m", "ml_backend.worker"] for n in range(1, workers + 1)},
            "sync": [sys.executable, "-m", "sync"],
        }
        known = {"backend": self.ports.backend, "sync": self.ports.console}
        ports = {name: known.get(name) or free_port() for name in commands}
        return [
            Service(
                name=name,
                command=command,
                environment=environment | {MONITORING_PORT: str(ports[name])},
                folder=REPOSITORY,
                is_ready=partial(answers, f"http://127.0.0.1:{ports[name]}/ready"),
            )
            for name, command in commands.items()
        ]

    def settings(self, queue_url: str) -> dict[str, str]:
        return {
            "PHENOLOOP_STORAGE__BUCKET": BUCKET,
            "PHENOLOOP_STORAGE__IMAGES_PREFIX": IMAGES,
            "PHENOLOOP_STORAGE__ANNOTATIONS_PREFIX": ANNOTATIONS,
            "PHENOLOOP_STORAGE__RELEASES_PREFIX": RELEASES,
            "PHENOLOOP_LABEL_STUDIO__URL": self.url("label_studio"),
            "PHENOLOOP_LABEL_STUDIO__TOKEN": self.secrets.label_studio_token,
            "PHENOLOOP_BACKEND__PASSWORD": self.secrets.backend_password,
            "PHENOLOOP_BACKEND__PORT": str(self.ports.backend),
            "PHENOLOOP_CHAIN__CACHE_FOLDER": str(self.folder.path / "cache"),
            **_variables("PHENOLOOP_TRAINING__", self.training),
            **_variables("PHENOLOOP_RETRAINING__", RETRAINING),
            **self.overrides,
            "PHENOLOOP_QUEUE_URL": queue_url,
            "PHENOLOOP_REDIS_URL": f"unix://{quote(str(self.folder.socket_path('redis.sock')))}?db=0",
        }

    @property
    def training(self) -> TrainingSettings:
        return training_settings()

    def aws_environment(self) -> dict[str, str]:
        return services.aws_environment(s3_port=self.ports.s3, sagemaker_port=self.ports.sagemaker)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{getattr(self.ports, name)}"


def training_settings() -> TrainingSettings:
    """Short trainings, for someone who watches."""
    return TrainingSettings(
        role_arn="arn:aws:iam::000000000000:role/phenoloop-sagemaker",
        training_image=f"{REGISTRY}/{services.TRAINING_IMAGE}:{_code_sha256()[:12]}",
        serving_image=f"{REGISTRY}/{services.SERVING_IMAGE}:1",
        parameters={"TimeLimitS": 240, "MinimumTestPhotos": 4},
    )


def _variables(prefix: str, section: BaseModel) -> dict[str, str]:
    """The section as environment variables."""
    values = section.model_dump(exclude_none=True)
    return {prefix + name.upper(): v if isinstance(v, str) else json.dumps(v) for name, v in values.items()}


def _code_sha256() -> str:
    """Of what runs in SageMaker's containers: the training image's tag."""
    digest = hashlib.sha256()
    for folder in ("loc360", "serving", "training"):
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            digest.update(str(file.relative_to(REPOSITORY)).encode() + b"\0" + file.read_bytes() + b"\0")
    digest.update((REQUIREMENTS / "training.txt").read_bytes())
    return digest.hexdigest()
