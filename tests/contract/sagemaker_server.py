"""The local SageMaker as a process of its own, and what the tests ask of it."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.processes import answers

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fake-serving:1"
JOB_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fake-training:1"
ROLE = "arn:aws:iam::000000000000:role/sagemaker"
BUCKET = "models"
MODEL_URL = f"s3://{BUCKET}/model.tar.gz"
INVOCATION_TIMEOUT_S = 1.5
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class SageMakerServer:
    def __init__(self, data_dir: Path, s3_url: str) -> None:
        self.data_dir = data_dir
        self._s3_url = s3_url
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "SageMakerServer":
        self.process = self.spawn()
        wait_until(lambda: answers(f"{self.url}/health"), timeout_s=20)
        return self

    def spawn(self) -> subprocess.Popen[bytes]:
        options = {
            "--port": self.port,
            "--data-dir": self.data_dir,
            "--invocation-timeout-s": INVOCATION_TIMEOUT_S,
            "--startup-timeout-s": 4,
            "--stop-timeout-s": 3,
            "--job-stop-timeout-s": 0.5,
        }
        images = {"fake-serving": "sagemaker_container", "fake-training": "sagemaker_job"}
        containers = [f"--container={name}={sys.executable}:tests.contract.{m}" for name, m in images.items()]
        command = [sys.executable, "-m", "phenoloop.local_aws.sagemaker", *containers]
        urls = {"AWS_ENDPOINT_URL": self._s3_url, "AWS_ENDPOINT_URL_S3": self._s3_url}
        environment = os.environ | CREDENTIALS | urls | {"SECRET_OF_THE_HOST": "hush"}
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *(str(word) for option in options.items() for word in option)],
                cwd=REPOSITORY,
                env=environment,
                stderr=log,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self.process
        self.process.send_signal(how)
        self.process.wait(timeout=20)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @cached_property
    def control(self) -> Any:
        return client("sagemaker", self.url)

    @cached_property
    def s3(self) -> Any:
        return client("s3", self._s3_url)

    @cached_property
    def runtime(self) -> Any:
        return client("sagemaker-runtime", self.url)

    def deploy(self, *, wait: bool = True, url: str = MODEL_URL, **environment: str) -> str:
        """Model, configuration and endpoint of one variant, all of one new name."""
        name = unique("endpoint")
        self.configure(name, url=url, **environment)
        self.control.create_endpoint(EndpointName=name, EndpointConfigName=name)
        if wait:
            self.wait_in_service(name)
        return name

    def configure(self, name: str, *, url: str = MODEL_URL, **environment: str) -> None:
        container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": environment}
        self.control.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        self.control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])

    def status(self, name: str) -> str:
        return str(self.control.describe_endpoint(EndpointName=name)["EndpointStatus"])

    def wait_in_service(self, name: str) -> None:
        wait_until(lambda: self.status(name) not in {"Creating", "Updating", "SystemUpdating"})
        described = self.control.describe_endpoint(EndpointName=name)
        assert described["EndpointStatus"] == "InService", described

    def container_pids(self) -> list[int]:
        assert self.process
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def invoke(self, name: str, body: str = "hello", **parameters: str) -> dict[str, Any]:
        """What the container saw."""
        reply = self.runtime.invoke_endpoint(EndpointName=name, Body=body.encode(), **parameters)
        return dict(json.loads(reply["Body"].read()))


def client(service: str, url: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=20)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=config, **keys)


def variant(model: str, name: str = "live", **members: Any) -> dict[str, Any]:
    plain = {"InitialInstanceCount": 1, "InstanceType": "ml.c5.large"}
    return {"VariantName": name, "ModelName": model, **plain, **members}


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unique(noun: str) -> str:
    return f"{noun}-{uuid.uuid4().hex[:8]}"


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.05)
