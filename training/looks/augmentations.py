"""The same photo in other light, weather and by another camera: policies of albumentations, by name.

Only what leaves every pixel in its place: turning, scaling and laying objects on photos is `augment`'s, which knows the
masks. Hue moves little, since it tells the kinds and their ripeness apart.
"""

import copy
import threading
from collections.abc import Callable

import albumentations as A  # noqa: N812  # as everyone calls it
import cv2
import numpy as np

from loc360.wire import Image

Augmentation = Callable[[np.random.Generator, Image], Image]

_CAMERA = (
    A.RandomGamma(gamma_limit=(70, 145), p=0.6),
    A.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.2, p=0.5),
    A.HueSaturationValue(hue_shift_limit=3, sat_shift_limit=25, val_shift_limit=0, p=0.4),
    A.OneOf((A.GaussianBlur(blur_limit=0, sigma_limit=(0.4, 1.3)), A.Sharpen(alpha=(0.1, 0.3))), p=0.2),
    A.GaussNoise(std_range=(0.005, 0.03), p=0.1),
)  # fmt: skip
_FIELD = (
    A.PlanckianJitter(mode="blackbody", temperature_limit=(4500, 9000), p=0.3),  # from low sun to open shade
    A.RandomShadow(shadow_roi=(0, 0, 1, 1), num_shadows_limit=(1, 3), shadow_intensity_range=(0.2, 0.5), p=0.25),
    A.RandomToneCurve(scale=0.1, p=0.2),
)
_SHED = (
    A.PlanckianJitter(mode="cied", temperature_limit=(4000, 8500), p=0.3),  # lamps
    A.Illumination(intensity_range=(0.05, 0.2), p=0.15),  # that hang over one side
    A.MotionBlur(blur_limit=(3, 9), p=0.1),  # belts
    A.OneOf((A.ImageCompression(quality_range=(35, 90)), A.Downscale(scale_range=(0.5, 0.9))), p=0.25),
)
POLICIES = {
    "none": (),
    "light": _CAMERA,
    "field": (*_CAMERA, *_FIELD),
    "shed": (*_CAMERA, *_SHED),
    "rich": (*_CAMERA, *_FIELD, *_SHED),
}


def augmentation(name: str) -> Augmentation:
    """The policy as a function of (h, w, 3) uint8 RGB images, for use by several threads. Raises KeyError."""
    transforms = POLICIES[name]
    of_thread = threading.local()

    def seen_anew(rng: np.random.Generator, image: Image) -> Image:
        compose = getattr(of_thread, "compose", None)
        if compose is None:
            cv2.setNumThreads(1)
            compose = of_thread.compose = A.Compose(copy.deepcopy(transforms))  # each draws for itself
        compose.set_random_seed(int(rng.integers(2**31)))
        return np.asarray(compose(image=image)["image"], np.uint8)

    return seen_anew
