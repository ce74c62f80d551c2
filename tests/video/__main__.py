"""The recorded walk: `python -m tests.video` starts a stack, goes once around the loop and films it.

Chromium is driven by a script, ffmpeg makes MP4 and GIF; the photos are generated, all else is the running product.
Takes about a quarter of an hour on two cores.
"""

import argparse
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from phenoloop.demo.programs import IMAGES
from phenoloop.demo.proof.generated import SceneStudio, scene_seeds
from phenoloop.demo.proof.stack import ProofStack
from tests.browser.annotator import chromium
from tests.video.walk import Walk

TIME_LIMIT_S = 300
"""Of each model's training."""
ALWAYS_ASK = 1000
"""With fewer test photos the pipeline leaves the decision to a person: the film shows one."""


def main() -> None:
    asked = _asked()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped then too
    with tempfile.TemporaryDirectory(prefix="phenoloop-video-") as name:
        folder = Path(name)
        seeds = scene_seeds(asked.seed, IMAGES)
        with SceneStudio(folder / "photos", replace(seeds, tests=seeds.tests[:1])) as studio:
            subjects = studio.subjects()
            config, images = folder / "labels.xml", folder / "images"
            config.write_text(studio.label_config())
        images.mkdir()
        for photo in subjects.open:
            shutil.copyfile(photo.path, images / photo.name)
        stack = ProofStack(
            folder / "stack",
            options=("--images", str(images), "--label-config", str(config)),
            minimum_changes=len(subjects.annotated),
            parameters={"TimeLimitS": TIME_LIMIT_S, "MinimumTestPhotos": ALWAYS_ASK, "Seed": asked.seed},
        )
        try:
            stack.start()
            with chromium() as driver:
                walk = Walk(driver, stack.folder.read_status(), subjects, asked.out)
                try:
                    walk.run()
                finally:
                    files = walk.film.save(asked.out / "loop")
            print(f"{walk.film.seconds:.0f} s: {', '.join(map(str, files))}")  # noqa: T201
        finally:
            stack.stop()


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.video", description="Film the loop.")
    parser.add_argument("--out", type=Path, default=Path("artifacts/video"), help="folder of film and pictures")
    parser.add_argument("--seed", type=int, default=7, help="draws the photos")
    return parser.parse_args()


if __name__ == "__main__":
    main()
