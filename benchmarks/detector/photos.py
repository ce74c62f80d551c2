"""A COCO data set as photos to learn from and to be tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import ExifTags, Image

from loc360.frames import clipped, whole
from loc360.wire import Box
from phenoloop.errors import SettingsInvalid
from phenoloop.importing.coco import CocoImage, read_coco_file
from training.data.dataset import LabelledObject, LabelledPhoto, labels_of, write_photos

ANNOTATIONS, IMAGES = "annotations.json", "images"
_ORIENTATION = ExifTags.Base.Orientation


def read_data_set(folder: Path) -> tuple[LabelledPhoto, ...]:
    """`annotations.json` and `images/`. Boxes are cut at the photo's edges; masks are left aside.

    Raises SettingsInvalid if a photo is missing, turned or of another size, or an annotation stands for a crowd.
    """
    return tuple(_photo(folder / IMAGES, image) for image in read_coco_file(folder / ANNOTATIONS).images)


def dealt(photos: Sequence[LabelledPhoto], count: int) -> tuple[tuple[LabelledPhoto, ...], ...]:
    """`count` folds of about as many objects each, no group in two of them: largest groups first, to the smallest fold.

    Raises SettingsInvalid if there are fewer groups than folds.
    """
    groups: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        groups.setdefault(photo.group or photo.source, []).append(photo)
    if len(groups) < count:
        raise SettingsInvalid("The photos have fewer groups than there are folds.", groups=len(groups), folds=count)
    folds: list[list[LabelledPhoto]] = [[] for _ in range(count)]
    for group in sorted(groups.values(), key=lambda group: (-_objects(group), group[0].source)):
        min(folds, key=_objects).extend(group)
    return tuple(map(tuple, folds))


def prepare(folder: Path, photos: Sequence[LabelledPhoto], labels: Sequence[str]) -> None:
    """What preprocessing would leave, at full size; the photos are links."""
    folder.mkdir(parents=True, exist_ok=True)
    named = [replace(photo, file=folder / f"{index:04d}{photo.file.suffix}") for index, photo in enumerate(photos)]
    for photo, there in zip(photos, named, strict=True):
        there.file.unlink(missing_ok=True)
        there.file.symlink_to(photo.file.resolve())
    write_photos(folder, named, labels)


def split(folds: Sequence[Sequence[LabelledPhoto]], held_out: int) -> Mapping[str, Sequence[LabelledPhoto]]:
    """`train` and `test`."""
    train = [photo for index, fold in enumerate(folds) if index != held_out for photo in fold]
    return {"train": train, "test": folds[held_out]}


def prepare_fold(folder: Path, folds: Sequence[Sequence[LabelledPhoto]], held_out: int) -> None:
    """`folder/train` and `folder/test`."""
    labels = labels_of(photo for fold in folds for photo in fold)
    for name, photos in split(folds, held_out).items():
        prepare(folder / name, photos, labels)


def _photo(folder: Path, image: CocoImage) -> LabelledPhoto:
    file = folder / image.file_name
    _require_upright(file, (image.width_px, image.height_px))
    if any(thing.is_crowd for thing in image.objects):
        raise SettingsInvalid("An annotation stands for a crowd.", cure="Leave its photo out.", file=file)
    frame = whole(image.width_px, image.height_px)
    boxes = ((thing.label, clipped(Box(*thing.box_px), frame)) for thing in image.objects)
    objects = tuple(LabelledObject(label, box, None) for label, box in boxes if box is not None)
    return LabelledPhoto(file, image.file_name, image.group, image.width_px, image.height_px, image.mm_per_px, objects)


def _require_upright(file: Path, size_px: tuple[int, int]) -> None:
    try:
        with Image.open(file) as picture:
            size, turned = picture.size, picture.getexif().get(_ORIENTATION, 1) != 1
    except OSError as error:
        raise SettingsInvalid("A photo of the data set can't be read.", file=file) from error
    if turned or size != size_px:
        cure = "Store it upright, at the size that the annotations are for: the models would read it differently."
        raise SettingsInvalid("A photo is turned or not of its size.", cure=cure, file=file)


def _objects(photos: Sequence[LabelledPhoto]) -> int:
    return sum(len(photo.objects) for photo in photos)
