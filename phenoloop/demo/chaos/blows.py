"""What a running stack is hit with: one process killed without a word, or one of its memories emptied."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import psutil

from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.state import DataFolder
from phenoloop.jobs import prelabel_queue

Blow = Callable[[random.Random], bool]
"""Whether there was something to hit."""

KILLED = ("backend", "worker-1", "sync", "redis", "ministack", "sagemaker", "label-studio")


def blows(folder: DataFolder, doors: Doors, settings: Mapping[str, str]) -> dict[str, Blow]:
    """All there are, by what they hit."""

    def kill(name: str) -> Blow:
        return lambda rng: _kill_one(rng, _tree(folder, name))

    def kill_container(module: str) -> Blow:
        return lambda rng: _kill_one(rng, list(_containers(folder, module)))

    def empty_redis(_: random.Random) -> bool:
        prelabel_queue(settings["PHENOLOOP_REDIS_URL"]).connection.flushall()
        return True

    def empty_sqs(_: random.Random) -> bool:
        doors.client("sqs").purge_queue(QueueUrl=settings["PHENOLOOP_QUEUE_URL"])
        return True

    def take_notification(_: random.Random) -> bool:
        """It comes back when the embedded services are started anew."""
        doors.client("s3").put_bucket_notification_configuration(Bucket=doors.bucket, NotificationConfiguration={})
        return True

    return {name: kill(name) for name in KILLED} | {
        "endpoint's container": kill_container("serving"),
        "training job": kill_container("training"),
        "Redis emptied": empty_redis,
        "SQS emptied": empty_sqs,
        "notification gone": take_notification,
    }


def deck(names: Sequence[str], rng: random.Random) -> Iterator[str]:
    """For ever, in random order; each as often as the others."""
    while True:
        yield from rng.sample(names, len(names))


def _kill_one(rng: random.Random, processes: Sequence[psutil.Process]) -> bool:
    if not processes:
        return False
    try:
        rng.choice(processes).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def _tree(folder: DataFolder, name: str) -> list[psutil.Process]:
    """The program's process and those that it started, less containers, which are hit on their own."""
    try:
        root = psutil.Process(folder.read_status()["processes"][name])
        children = [] if name == "sagemaker" else root.children(recursive=True)
    except (KeyError, psutil.NoSuchProcess):
        return []
    return [root, *children]


def _containers(folder: DataFolder, module: str) -> Iterable[psutil.Process]:
    """Processes of the local SageMaker's containers that run `python -m MODULE`, or were forked from one."""
    pid = folder.read_status()["processes"].get("sagemaker", 0)
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for process in found:
        try:
            if any(word == module or word.startswith(f"{module}.") for word in process.cmdline()):
                yield process
        except psutil.NoSuchProcess:
            continue
