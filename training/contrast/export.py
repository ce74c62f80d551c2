"""`python -m training.contrast.export --out DIR`: release 0's two archives, `DIR/ROLE/model.tar.gz`."""

import argparse
from pathlib import Path

import torch

from training.archives.archive import write_archive
from training.contrast.detector import ContrastDetector
from training.contrast.labels import LABELS
from training.contrast.segmenter import ContrastSegmenter

VERSION = "contrast-1"
SIDE_LIMITS_PX = {"detector": 1024, "segmenter": 384}
"""Long side of what each is made for: larger images cost time and gain nothing."""


def export(folder: Path) -> None:
    """Script both models and write their archives."""
    models: dict[str, torch.nn.Module] = {"detector": ContrastDetector(), "segmenter": ContrastSegmenter()}
    for role, model in models.items():
        about = {"role": role, "labels": list(LABELS), "version": VERSION, "side_limit_px": SIDE_LIMITS_PX[role]}
        write_archive(folder / role / "model.tar.gz", torch.jit.script(model.eval()), about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for detector/ and segmenter/")
    export(parser.parse_args().out)


if __name__ == "__main__":
    main()
