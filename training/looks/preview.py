"""`augmentations.jpg`: a few training samples as the network sees them, for people to look at."""

import cv2
import numpy as np

from training.learning.lesson import Lesson
from training.learning.progress_pictures import sheet

_SAMPLES, _COLUMNS, _MOST_PX, _QUALITY = 12, 4, 320, 82


def augmentation_sheet(lesson: Lesson, seed: int) -> bytes:
    """A JPEG of twelve samples of the first epoch."""
    indices = [place * len(lesson) // _SAMPLES for place in range(_SAMPLES)]
    samples = [lesson.sample(np.random.default_rng((seed, place, index)), index) for place, index in enumerate(indices)]
    picture = sheet([lesson.shown(sample) for sample in samples], columns=_COLUMNS, most_px=_MOST_PX)
    _, written = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return written.tobytes()
