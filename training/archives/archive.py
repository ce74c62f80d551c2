"""The files that SageMaker serves a model from: the model, what to know of it, and the code that serves it.

The same content gives the same bytes, so a hash of an archive of them names what an endpoint serves.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).parents[2]
CODE = ("serving/inference.py", *(f"loc360/{name}.py" for name in ("wire", "pictures", "bilevel", "errors")))


def write_archive(file: Path, module: torch.jit.ScriptModule, about: dict[str, Any]) -> None:
    """Write the `served_files` as gzipped tar `file`, which is what SageMaker makes of a training's model folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        file.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in sorted(served_files(packed_module(module), about).items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))


def write_model(folder: Path, model: bytes, about: dict[str, Any], others: Mapping[str, bytes]) -> None:
    """Write the `served_files` into a training's model folder, and `others`, which tell of the training."""
    for name, content in (served_files(model, about) | dict(others)).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def served_files(model: bytes, about: dict[str, Any]) -> dict[str, bytes]:
    """`model.pt` (a packed module), `model.json` (`about`, with the model's sha256) and `code/`."""
    described = about | {"sha256": hashlib.sha256(model).hexdigest()}
    return {
        "model.pt": model,
        "model.json": json.dumps(described, indent=2, sort_keys=True).encode(),
        "code/loc360/__init__.py": b"",
        **{f"code/{name.removeprefix('serving/')}": (REPOSITORY / name).read_bytes() for name in CODE},
    }


def packed_module(module: torch.jit.ScriptModule) -> bytes:
    """TorchScript's zip, stored in order and without dates, source maps and the id that hashes them.

    Source maps hold the paths and memory addresses of the machine that they were made on; loading needs neither.
    """
    saved, stable = io.BytesIO(), io.BytesIO()
    torch.jit.save(module, saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(stable, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            if not name.endswith((".debug_pkl", "/serialization_id")):
                target.writestr(zipfile.ZipInfo(name), source.read(name))
    return stable.getvalue()
