"""A Redis of a benchmark's own, on a socket in a temporary folder."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.services import redis


@contextmanager
def redis_server() -> Iterator[str]:
    """Its URL. Nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="phenoloop-bench-") as path:
        folder = Path(path)
        supervisor = Supervisor(folder / "logs")
        try:
            supervisor.start(redis(folder / "redis", folder / "redis.sock"))
            supervisor.wait_until_ready("redis")
            yield f"unix://{folder / 'redis.sock'}"
        finally:
            supervisor.stop()
