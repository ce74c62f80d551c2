"""What one process of the backend works with."""

from collections.abc import Callable
from dataclasses import dataclass

from rq import Queue

from ml_backend.metrics import Metrics
from phenoloop.chain.chain import Chain
from phenoloop.chain.images import ImageStore
from phenoloop.labelling.client import LabelStudio
from phenoloop.settings import BackendSettings


@dataclass(frozen=True, slots=True)
class Backend:
    chain: Chain
    images: ImageStore
    label_studio: LabelStudio
    queue: Queue
    settings: BackendSettings
    metrics: Metrics
    problems: Callable[[], list[str]] = list
    """What keeps it from doing its work now; from memory."""
