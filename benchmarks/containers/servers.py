"""The servers: ours, and Java's two, started as SageMaker's own containers start them, in environments of their own."""

import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psutil
from uv import find_uv_bin

from benchmarks.containers.load import Client, Unanswered
from phenoloop.local_aws.environments import REPOSITORY, environment_python
from phenoloop.local_aws.sagemaker.containers import free_port

START_S = 60.0
_POLL_S = 0.25
HANDLER = "sagemaker_inference.default_handler_service"
VM_OPTIONS = (
    "-XX:+UseContainerSupport -XX:InitialRAMPercentage=8.0 -XX:MaxRAMPercentage=10.0 -XX:-UseLargePages -XX:+UseG1GC"
)
"""As sagemaker-inference sets them."""


class Unstartable(Exception):
    """The server can't run on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Rival:
    name: str
    packages: tuple[str, ...]
    program: str
    """Of its environment."""
    config_option: str
    more: tuple[str, ...] = ()


MMS = Rival("multi-model-server", ("multi-model-server", "model-archiver"), "multi-model-server", "--mms-config")
TORCHSERVE = Rival(
    "TorchServe", ("torchserve", "torch-model-archiver", "pyyaml"), "torchserve", "--ts-config",
    ("--disable-token-auth", "--no-config-snapshots"),
)  # fmt: skip
RIVALS = (MMS, TORCHSERVE)


@contextmanager
def ours(model: Path, folder: Path, body: bytes) -> Iterator[Server]:
    """`python -m serving`, with the threads that it takes by itself. `folder` is its base, `model` is copied there."""
    shutil.copytree(model, folder / "model")
    port = free_port()
    settings = {
        "SAGEMAKER_BASE_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SERVING_HOST": "127.0.0.1",
    }
    command = [str(environment_python("container")), "-m", "serving"]
    with _running("ours", command, settings, REPOSITORY, folder, port, body) as server:
        yield server


@contextmanager
def rival(kind: Rival, model: Path, folder: Path, body: bytes) -> Iterator[Server]:
    """With its own default of workers, one a core. Raises Unstartable."""
    python, (port, management, metrics) = _environment(kind), _low_ports(3)
    _pack(kind, model, folder / "model")
    elsewhere = folder / "empty"
    elsewhere.mkdir()  # where "model" names nothing but the one in the store
    config = folder / "config.properties"
    config.write_text(
        f"inference_address=http://127.0.0.1:{port}\nmanagement_address=http://127.0.0.1:{management}\n"
        f"metrics_address=http://127.0.0.1:{metrics}\ndefault_service_handler={HANDLER}\n"
        f"default_workers_per_model={os.cpu_count()}\nvmargs={VM_OPTIONS}\n"
        "decode_input_request=false\nenable_envvars_config=true\n"
    )
    command = [
        str(python.with_name(kind.program)), "--start", "--foreground", kind.config_option, str(config),
        "--model-store", str(folder), "--models", "model=model", *kind.more,
    ]  # fmt: skip
    settings = {"PYTHONPATH": str(model / "code"), "PATH": f"{python.parent}:{os.environ['PATH']}"}
    with _running(kind.name, command, settings, elsewhere, folder, port, body) as server:
        yield server


@contextmanager
def _running(
    name: str, command: Sequence[str], settings: Mapping[str, str], cwd: Path, folder: Path, port: int, body: bytes
) -> Iterator[Server]:
    """Yields when it answers. Raises Unstartable; all its processes are ended."""
    places = {name: str(folder) for name in ("HOME", "TMPDIR", "TEMP", "LOG_LOCATION", "METRICS_LOCATION")}
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **places, **settings}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, port, body, log)
        yield Server(name, port, process.pid)
    finally:
        _end(process)


def _wait(process: "subprocess.Popen[bytes]", port: int, body: bytes, log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            Client(port, body).ask()
        except Unanswered as error:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise Unstartable(f"{error}; its log ends: {log.read_text(errors='replace')[-600:]}") from error
            time.sleep(_POLL_S)
        else:
            return


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With all that it started: first asked to, then killed."""
    try:
        started = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(started, timeout=10)
    for left in alive:
        left.kill()
    process.wait()


def _low_ports(count: int) -> list[int]:
    """Free ones: multi-model-server takes none from 32767 on."""
    return list(itertools.islice(filter(_is_free, random.sample(range(20_000, 32_000), 1000)), count))


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def _pack(kind: Rival, model: Path, packed: Path) -> None:
    """The model's folder in the form that the server takes."""
    shutil.copytree(model, packed)
    if kind is TORCHSERVE:
        (packed / "MAR-INF").mkdir()
        about = {"modelName": "model", "modelVersion": "1.0", "handler": HANDLER}
        manifest = {"createdOn": "01/01/2026 00:00:00", "runtime": "python", "model": about}
        (packed / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))


def _environment(kind: Rival) -> Path:
    """The interpreter of its environment, installed first if it is missing; torch and the rest are the container's.

    Raises Unstartable.
    """
    if shutil.which("java") is None:
        raise Unstartable("Java is not installed.")
    containers = environment_python("container")
    folder = platformdirs.user_cache_path("phenoloop") / "bench" / f"{kind.program}-{containers.parents[1].name}"
    python, done = folder / "bin" / "python", folder / ".installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--quiet", "--python", str(containers), str(folder))
        _uv("pip", "install", "--quiet", "--python", str(python), *kind.packages)
        (of_container,) = containers.parents[1].glob("lib/*/site-packages")
        (own,) = folder.glob("lib/*/site-packages")
        (own / "container.pth").write_text(f"{of_container}\n")
        done.touch()
    return python


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run([find_uv_bin(), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unstartable(f"uv {arguments[0]}: {done.stderr.strip()[-600:]}")
