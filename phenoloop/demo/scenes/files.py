"""A scene as files: the photo as a camera would leave it, and apart from it the truth."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

from loc360.wire import Mask, mask_base64, mask_from_base64
from phenoloop.demo.scenes.scene import Scene
from phenoloop.demo.scenes.truth import SceneInstance

_QUALITY = 95  # the photo has been through a JPEG once; a second one at this quality changes little
_FIRST_DAY = datetime(2024, 5, 6, 8, 0)  # EXIF dates have no zone


def save_scene(scene: Scene, folder: Path) -> Path:
    """Write `folder/images/NAME.jpg` and `folder/truth/NAME.json`; returns the photo's path.

    The photo carries nothing but a camera's EXIF. The truth holds per instance its sizes and two masks (1-bit PNG,
    base64), each cut to its box [x0, y0, x1, y1] in pixels of the photo.
    """
    name = f"scene_{scene.seed:06d}"
    photo_path, truth_path = folder / "images" / f"{name}.jpg", folder / "truth" / f"{name}.json"
    for path in (photo_path, truth_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene.photo).save(photo_path, quality=_QUALITY, subsampling="4:2:0", exif=_exif(scene.seed))
    truth_path.write_text(json.dumps(_truth(scene, photo_path.name), indent=1))
    return photo_path


def read_scene(truth_path: Path) -> Scene:
    """The scene that `save_scene` wrote: the truth, with the photo that lies in `images/` beside its folder."""
    truth = json.loads(truth_path.read_text())
    with Image.open(truth_path.parent.parent / "images" / truth["photo"]) as image:
        photo = np.asarray(image.convert("RGB"))
    return Scene(
        photo=photo,
        instances=tuple(_instance(item, photo.shape[:2]) for item in truth["instances"]),
        mm_per_px=truth["mm_per_px"],
        background=truth["background"],
        seed=truth["seed"],
    )


def _exif(seed: int) -> Image.Exif:
    exif, day = Image.Exif(), _FIRST_DAY + timedelta(minutes=37 * seed % (60 * 24 * 365))
    taken = day.strftime("%Y:%m:%d %H:%M:%S")
    exif.update({Base.Make: "Fieldcam", Base.Model: "Fieldcam T12", Base.Orientation: 1, Base.DateTime: taken})
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = taken
    return exif


def _truth(scene: Scene, photo_name: str) -> dict[str, Any]:
    height_px, width_px = scene.photo.shape[:2]
    return {
        "photo": photo_name,
        "width_px": width_px,
        "height_px": height_px,
        "mm_per_px": scene.mm_per_px,
        "background": scene.background,
        "seed": scene.seed,
        "instances": [
            {
                "label": instance.label,
                "length_mm": instance.length_mm,
                "width_mm": instance.width_mm,
                "area_mm2": instance.area_mm2,
                "visible_share": instance.visible_share,
                "mask": _cut(instance.mask),
                "amodal_mask": _cut(instance.amodal_mask),
            }
            for instance in scene.instances
        ],
    }


def _cut(mask: Mask) -> dict[str, Any]:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return {"box_px": [x, y, x + width, y + height], "png": mask_base64(mask[y : y + height, x : x + width])}


def _pasted(item: dict[str, Any], shape: tuple[int, ...]) -> Mask:
    x0, y0, x1, y1 = item["box_px"]
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = mask_from_base64(item["png"])
    return mask


def _instance(item: dict[str, Any], shape: tuple[int, ...]) -> SceneInstance:
    return SceneInstance(
        label=item["label"],
        mask=_pasted(item["mask"], shape),
        amodal_mask=_pasted(item["amodal_mask"], shape),
        length_mm=item["length_mm"],
        width_mm=item["width_mm"],
        area_mm2=item["area_mm2"],
        visible_share=item["visible_share"],
    )
