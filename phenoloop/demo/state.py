"""What a stack keeps in its data folder besides its services' own data: secrets, ports, and what runs now."""

import fcntl
import hashlib
import json
import os
import secrets
import socket
import stat
import tempfile
from pathlib import Path
from typing import IO, Annotated, Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from phenoloop.errors import LocalStackError, SettingsInvalid

MAX_SOCKET_PATH_BYTES = 107  # unix(7): sun_path without its final zero
Port = Annotated[int, Field(ge=1, le=65535)]


class Ports(BaseModel):
    """TCP ports on the loopback interface."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_studio: Port = 8080
    backend: Port = 9090
    s3: Port = 4566
    sagemaker: Port = 4570
    console: Port = 9091

    @model_validator(mode="after")
    def _differ(self) -> "Ports":
        if len(set(self.model_dump().values())) < len(type(self).model_fields):
            raise ValueError("two services on one port")
        return self

    @classmethod
    def parse(cls, choices: list[str]) -> "Ports":
        """From `NAME=NUMBER` words. Raises SettingsInvalid."""
        try:
            return cls.model_validate(dict(choice.split("=", 1) for choice in choices))
        except (ValidationError, ValueError) as error:
            names = ", ".join(cls.model_fields)
            cure = f"Give NAME=NUMBER, each its own from 1 to 65535; names: {names}."
            raise SettingsInvalid("The ports can't be used.", cure=cure, given=" ".join(choices)) from error

    def require_free(self) -> None:
        """Raises LocalStackError naming the first port that something else listens on."""
        for name, port in self:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise LocalStackError(
                        "A port is taken.",
                        cure=f"Stop what listens there, or choose another: --port {name}=NUMBER.",
                        service=name,
                        port=port,
                    ) from error


class Secrets(BaseModel):
    """Made on the first start of a data folder and kept there, readable by its owner only."""

    model_config = ConfigDict(frozen=True)

    label_studio_password: str
    label_studio_token: str
    backend_password: str


class DataFolder:
    """One stack's folder. `lock` keeps a second stack out of it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.logs = self.path / "logs"
        self._lock = self.path / "lock"
        self._status = self.path / "status.json"

    def lock(self) -> IO[str]:
        """Held until the returned file is closed; makes the folder, for its owner only.

        Raises LocalStackError if a stack runs on this folder, SettingsInvalid if the folder is no stack's.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._lock.exists() and any(self.path.iterdir()):
            raise SettingsInvalid(
                "The data folder holds other things.",
                cure="Name a new or empty folder with --data-dir.",
                data_dir=self.path,
            )
        self.path.chmod(0o700)
        handle = self._lock.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.close()
            raise LocalStackError(
                "A stack already runs on this data folder.",
                cure="See `phenoloop status`, or stop it with `phenoloop down`.",
                data_dir=self.path,
            ) from error
        return handle

    def is_locked(self) -> bool:
        """Whether a stack, starting or up, holds the folder."""
        try:
            with self._lock.open() as handle:  # shared, so that two who look don't take each other for a stack
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def socket_path(self, name: str) -> Path:
        """In the folder or, if that path is too long for a Unix socket, in a private one under the system's temporary.

        Raises LocalStackError if others can enter that.
        """
        inside = self.path / name
        if len(os.fsencode(inside)) <= MAX_SOCKET_PATH_BYTES:
            return inside
        folder = Path(tempfile.gettempdir()) / f"phenoloop-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise LocalStackError(
                "The folder for the stack's sockets is not private.",
                cure="Name a data folder with a shorter path, or remove that folder.",
                folder=folder,
            )
        return folder / name

    def secrets(self) -> Secrets:
        file = self.path / "secrets.json"
        if not file.exists():
            made = Secrets(
                label_studio_password=secrets.token_urlsafe(12),
                label_studio_token=secrets.token_hex(20),
                backend_password=secrets.token_urlsafe(24),
            )
            write_private(file, made.model_dump_json())
        return Secrets.model_validate_json(file.read_text())

    def write_status(self, status: dict[str, Any]) -> None:
        write_private(self._status, json.dumps(status, indent=2))

    def has_status(self) -> bool:
        """Whether a stack ever ran here."""
        return self._status.exists()

    def read_status(self) -> dict[str, Any]:
        """What the running (or last) stack wrote. Raises LocalStackError if none ever ran here."""
        try:
            return dict(json.loads(self._status.read_text()))
        except FileNotFoundError as error:
            raise LocalStackError(
                "No stack was started on this data folder.",
                cure="Start one with `phenoloop up`, or name its folder with --data-dir.",
                data_dir=self.path,
            ) from error


def write_private(file: Path, text: str) -> None:
    """Replace `file` as a whole, readable by its owner only."""
    part = file.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:  # noqa: PTH123
        handle.write(text)
    part.replace(file)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
