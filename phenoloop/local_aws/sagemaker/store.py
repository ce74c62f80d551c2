"""What must survive a restart: resources, their tags, and the processes we started. One SQLite file."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMA = """
create table if not exists resources (
    kind text not null, name text not null collate nocase, arn text not null unique,
    created_at_s real not null, modified_at_s real not null, document text not null, primary key (kind, name));
create table if not exists tags (arn text not null, key text not null, value text not null, primary key (arn, key));
create table if not exists processes (pid integer primary key, created_at_s real not null);
"""
COLUMNS = "kind, name, arn, created_at_s, modified_at_s, document"


class Kind(StrEnum):
    """Spelt as in ARNs."""

    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ENDPOINT = "endpoint"
    MODEL_PACKAGE_GROUP = "model-package-group"
    MODEL_PACKAGE = "model-package"
    PROCESSING_JOB = "processing-job"
    TRAINING_JOB = "training-job"
    PIPELINE = "pipeline"
    PIPELINE_EXECUTION = "execution"


class AlreadyThere(Exception):
    """A resource of this kind and name (case does not count) exists."""


@dataclass(frozen=True, slots=True)
class Resource:
    kind: Kind
    name: str
    arn: str
    created_at_s: float
    modified_at_s: float
    document: dict[str, Any]


class Store:
    """Every method is one transaction, or part of the caller's. Safe to share between threads."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(SCHEMA)
        self._lock = threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What happens inside happens wholly or not at all, and nothing else in between."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def add(self, kind: Kind, name: str, arn: str, document: dict[str, Any]) -> Resource:
        """Raises AlreadyThere."""
        now_s = time.time()
        row = (kind, name, arn, now_s, now_s, json.dumps(document))
        try:
            with self.transaction() as connection:
                connection.execute(f"insert into resources ({COLUMNS}) values (?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        except sqlite3.IntegrityError as error:
            raise AlreadyThere(arn) from error
        return Resource(kind, name, arn, now_s, now_s, document)

    def find(self, kind: Kind, name: str) -> Resource | None:
        return next(self._select("kind = ? and name = ?", kind, name), None)

    def find_arn(self, arn: str) -> Resource | None:
        return next(self._select("arn = ?", arn), None)

    def all(self, kind: Kind) -> list[Resource]:
        return list(self._select("kind = ?", kind))

    def change(self, kind: Kind, name: str, document: dict[str, Any]) -> None:
        with self.transaction() as connection:
            connection.execute(
                "update resources set document = ?, modified_at_s = ? where kind = ? and name = ?",
                (json.dumps(document), time.time(), kind, name),
            )

    def remove(self, resource: Resource) -> None:
        with self.transaction() as connection:
            connection.execute("delete from resources where arn = ?", (resource.arn,))
            connection.execute("delete from tags where arn = ?", (resource.arn,))

    def tags(self, arn: str) -> list[dict[str, str]]:
        with self.transaction() as connection:
            rows = connection.execute("select key, value from tags where arn = ? order by rowid", (arn,)).fetchall()
        return [{"Key": key, "Value": value} for key, value in rows]

    def tag(self, arn: str, tags: list[dict[str, str]]) -> None:
        rows = [(arn, tag["Key"], tag["Value"]) for tag in tags]
        with self.transaction() as connection:
            connection.executemany("insert or replace into tags (arn, key, value) values (?, ?, ?)", rows)

    def untag(self, arn: str, keys: list[str]) -> None:
        with self.transaction() as connection:
            connection.executemany("delete from tags where arn = ? and key = ?", [(arn, key) for key in keys])

    def record_process(self, pid: int, created_at_s: float) -> None:
        with self.transaction() as connection:
            connection.execute("insert or replace into processes values (?, ?)", (pid, created_at_s))

    def forget_process(self, pid: int) -> None:
        with self.transaction() as connection:
            connection.execute("delete from processes where pid = ?", (pid,))

    def processes(self) -> list[tuple[int, float]]:
        with self.transaction() as connection:
            return connection.execute("select pid, created_at_s from processes").fetchall()

    def _select(self, condition: str, *values: str) -> Iterator[Resource]:
        with self.transaction() as connection:
            query = f"select {COLUMNS} from resources where {condition} order by rowid"  # noqa: S608
            rows = connection.execute(query, values).fetchall()
        for kind, name, arn, created_at_s, modified_at_s, document in rows:
            yield Resource(Kind(kind), name, arn, created_at_s, modified_at_s, json.loads(document))
