"""Containers that outlived their server."""

import psutil
import structlog

from phenoloop.local_aws.processes import stop_group
from phenoloop.local_aws.sagemaker.store import Store

SAME_PROCESS_S = 2.0


def kill_orphans(store: Store, *, stop_timeout_s: float) -> None:
    """End every process that an earlier server recorded and did not end."""
    for pid, created_at_s in store.processes():
        try:
            same = abs(psutil.Process(pid).create_time() - created_at_s) < SAME_PROCESS_S
        except psutil.NoSuchProcess:
            same = False
        if same:
            structlog.get_logger().warning("stopping a container that outlived its server", pid=pid)
            stop_group(pid, timeout_s=stop_timeout_s)
        store.forget_process(pid)
