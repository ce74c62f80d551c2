"""What one large photo with many objects takes in `predict`, at its peak, over what the process takes anyway."""

from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

from benchmarks.figure import Figure, as_share
from benchmarks.world import World
from benchmarks.world.product import predict, product

_PHOTO_PX = (4000, 3000)
_OBJECTS = 200
_KIB = 1024
_MIB = 1024 * 1024


def measure(*, quick: bool) -> Iterator[Figure]:
    del quick  # it is one photo
    with get_context("spawn").Pool(1) as processes:  # whose peak is of nothing else
        peak_bytes, objects = processes.apply(_peak)
    pixels_bytes = 3 * _PHOTO_PX[0] * _PHOTO_PX[1]
    what = f"a photo of {_PHOTO_PX[0]} x {_PHOTO_PX[1]} with {objects} objects in predict: peak"
    yield as_share(what, peak_bytes / _MIB, "MiB", "its pixels", pixels_bytes / _MIB, most=4)


def _peak() -> tuple[int, int]:
    """Bytes at the peak over those after a small photo, and how many objects were found."""
    with World(photos=1, objects=4, invoke_s=0, store_latency_s=0) as small, product(small) as model:
        predict(model, small.photo_uris)
    with World(photos=1, photo_px=_PHOTO_PX, objects=_OBJECTS, invoke_s=0.005) as large, product(large) as model:
        before_bytes = _memory_bytes("VmRSS")
        (item,) = predict(model, large.photo_uris)
    return _memory_bytes("VmHWM") - before_bytes, sum("rle" in region["value"] for region in item["result"])


def _memory_bytes(what: str) -> int:
    """VmRSS as it is now, VmHWM at its highest ever."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[what].removesuffix("kB")) * _KIB
