"""The whole loop on one machine: every service, started in order, connected, supervised, stopped."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import structlog
from botocore.config import Config

from phenoloop.chain.release import Release
from phenoloop.chain.releases import ReleaseStore
from phenoloop.demo.photos import upload_generated_photos, upload_own_photos
from phenoloop.demo.programs import (
    ANNOTATIONS,
    ANNOTATOR,
    BACKEND_USER,
    BUCKET,
    IMAGES,
    MONITORING_PORT,
    QUEUE,
    RELEASES,
    Programs,
)
from phenoloop.demo.project import connect_project
from phenoloop.demo.release0 import ensure_release0, refusal
from phenoloop.demo.state import DataFolder, Ports
from phenoloop.errors import LocalStackError, ReleaseMissing
from phenoloop.labelling.admin import LabelStudioAdmin
from phenoloop.labelling.client import Project
from phenoloop.labelling.config import parse_labelling_config
from phenoloop.local_aws.environments import NAMES, environment_python
from phenoloop.local_aws.processes import Service, Supervisor
from phenoloop.local_aws.provision import Resources, provision
from phenoloop.settings import StorageSettings

SUPERVISE_EVERY_S = 0.5
RELEASE_TIMEOUT_S = 300.0

Step = Callable[[str], None]
"""Hears what is being done now."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    ports: Ports
    images: Path | None
    """The user's own photos; generated ones if None."""
    photo_count: int
    """How many photos to generate."""
    label_config: Path
    overrides: Mapping[str, str]
    """Settings of retraining and training, by their variables' names."""
    workers: int = 1


class Stack:
    """One stack on one data folder. `start`, then `supervise` until told to stop, then `stop`."""

    def __init__(self, folder: DataFolder, options: StackOptions) -> None:
        self._folder, self._options = folder, options
        self._programs = Programs(folder, options.ports, folder.secrets(), options.overrides)
        self._supervisor = Supervisor(folder.logs)
        self._status: dict[str, Any] = {"pid": os.getpid(), "ready": False}

    def start(self, step: Step) -> dict[str, Any]:
        """Everything up and connected; the status that `phenoloop status --json` prints.

        Raises LocalStackError and the errors of the rooms it calls; what was started keeps running until `stop`.
        """
        programs = self._programs
        parse_labelling_config(self._options.label_config.read_text())
        self._options.ports.require_free()
        self._write_processes()
        self._install(step)
        step("Starting Label Studio, S3, queue, SageMaker and Redis")
        for service in (programs.label_studio(), programs.ministack(), programs.sagemaker(), programs.redis()):
            self._start(service)
        for name in ("ministack", "sagemaker", "redis"):
            self._supervisor.wait_until_ready(name)
        step("Making bucket, queues and notification")
        aws = self._session()
        resources = self._provision()
        self._upload_photos(aws("s3"), step)
        step("Registering release 0")
        ensure_release0(aws("sagemaker"), aws("s3"), BUCKET, programs.training)
        step("Starting the backend, its workers and sync")
        own = programs.own_services(resources.queue_url, workers=self._options.workers)
        self._status["monitoring"] = {s.name: f"http://127.0.0.1:{s.environment[MONITORING_PORT]}" for s in own}
        for service in own:
            self._start(service)
        step("Waiting until sync has made the chain live on two endpoints")
        release = self._live_release(ReleaseStore(aws("s3"), BUCKET, RELEASES), aws("sagemaker"))
        step("Waiting for Label Studio (its first start takes about a minute)")
        for name in ("label-studio", "backend"):  # which takes a moment to see the release
            self._supervisor.wait_until_ready(name)
        step("Creating and connecting the project")
        project = self._connect_project()
        self._write_status(resources, release, project)
        return self._status

    def supervise(self, stopping: threading.Event) -> None:
        """Restart what dies, until `stopping` is set."""
        provisioned = written = True
        while not stopping.wait(SUPERVISE_EVERY_S):
            started = self._supervisor.restart_dead()
            written = written and not started
            if not provisioned or "ministack" in started:  # it comes back without queues and notification
                provisioned = self._provisions_again()
            if provisioned and not written:  # in this order: who sees the new process finds its queues
                self._write_processes()
                written = True

    def stop(self) -> None:
        self._supervisor.stop()
        self._status |= {"ready": False, "processes": {}}
        self._folder.write_status(self._status)

    def _start(self, service: Service) -> None:
        self._supervisor.start(service)
        self._write_processes()

    def _install(self, step: Step) -> None:
        for name in NAMES:
            environment_python(name, on_install=lambda name: step(f"Installing {name} (once)"))

    def _provision(self) -> Resources:
        aws = self._session()
        storage = StorageSettings(bucket=BUCKET, images_prefix=IMAGES, annotations_prefix=ANNOTATIONS)
        return provision(aws("s3"), aws("sqs"), aws("events"), storage=storage, queue=QUEUE)

    def _provisions_again(self) -> bool:
        try:
            self._provision()
        except LocalStackError as error:
            structlog.get_logger().warning("not provisioned yet", error=str(error))
            return False
        return True

    def _upload_photos(self, s3: Any, step: Step) -> None:
        images, count = self._options.images, self._options.photo_count
        if images is not None:
            step(f"Uploading the photos of {images}")
            upload_own_photos(s3, BUCKET, IMAGES, images)
            return
        upload_generated_photos(
            s3,
            BUCKET,
            IMAGES,
            self._folder.path / "generated",
            count,
            on_photo=lambda done: step(f"Rendering and uploading photos ({done} of {count})"),
        )

    def _live_release(self, store: ReleaseStore, sagemaker: Any) -> Release:
        """Raises LocalStackError if there is none in time, and as soon as sync has refused it."""
        deadline_s = time.monotonic() + RELEASE_TIMEOUT_S
        while True:
            try:
                return store.live()
            except ReleaseMissing as error:
                if (reason := refusal(sagemaker, self._programs.training)) is not None:
                    cure = f"{reason} Then start again: it gets another try."
                    raise LocalStackError("Sync refused the release.", cure=cure) from error
                if time.monotonic() > deadline_s:
                    cure = f"See sync.log and sagemaker.log in {self._folder.logs}."
                    raise LocalStackError("No release came live.", cure=cure) from error
            self._supervisor.restart_dead()
            time.sleep(SUPERVISE_EVERY_S)

    def _connect_project(self) -> Project:
        return connect_project(
            LabelStudioAdmin(self._programs.url("label_studio"), self._programs.secrets.label_studio_token),
            label_config=self._options.label_config.read_text(),
            bucket=BUCKET,
            images_prefix=IMAGES,
            annotations_prefix=ANNOTATIONS,
            backend_url=self._programs.url("backend"),
            backend_user=BACKEND_USER,
            backend_password=self._programs.secrets.backend_password,
        )

    def _session(self) -> Callable[[str], Any]:
        """Makes clients for the embedded services, whatever AWS settings the user's own environment has."""
        environment = self._programs.aws_environment()
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        urls = {"sagemaker": environment["AWS_ENDPOINT_URL_SAGEMAKER"]}
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        return lambda name: session.client(  # type: ignore[call-overload]
            name, endpoint_url=urls.get(name, environment["AWS_ENDPOINT_URL"]), config=config
        )

    def _write_status(self, resources: Resources, release: Release, project: Project) -> None:
        self._status |= {
            "ready": True,
            "label_studio": {
                "url": self._programs.url("label_studio"),
                "user": ANNOTATOR,
                "password": self._programs.secrets.label_studio_password,
                "token": self._programs.secrets.label_studio_token,
                "project_id": project.id,
                "label_config": project.label_config,
            },
            "backend": {
                "url": self._programs.url("backend"),
                "user": BACKEND_USER,
                "password": self._programs.secrets.backend_password,
            },
            "console": {
                "url": f"{self._programs.url('console')}/console",
                "user": BACKEND_USER,
                "password": self._programs.secrets.backend_password,
            },
            "s3": {
                "endpoint": self._programs.url("s3"),
                "bucket": resources.bucket,
                "images_prefix": IMAGES,
                "annotations_prefix": ANNOTATIONS,
            },
            "queue_url": resources.queue_url,
            "endpoints": {"detector": release.detector.endpoint, "segmenter": release.segmenter.endpoint},
            "release": release.name,
            "settings": self._programs.settings(resources.queue_url) | self._programs.aws_environment(),
        }
        self._write_processes()

    def _write_processes(self) -> None:
        self._status["processes"] = {"supervisor": os.getpid(), **self._supervisor.pids}
        self._folder.write_status(self._status)
