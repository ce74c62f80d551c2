"""What the server is started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phenoloop.local_aws.sagemaker.containers import Images


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str
    port: int
    data_dir: Path
    images: Images
    environment: Mapping[str, str]
    """Of this process; containers get a part of it."""
    event_source: str
    """Of what is told to EventBridge; AWS's own is aws.sagemaker, which not every emulator lets through."""
    invocation_timeout_s: float
    startup_timeout_s: float
    stop_timeout_s: float
    job_stop_timeout_s: float
    """Between SIGTERM and SIGKILL of a job that is stopped or takes too long."""
