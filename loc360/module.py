"""The two functions that Loc360 calls: `sagemaker_preprocess` before each model, `process` after the last."""

from typing import Any

import numpy as np

from loc360.errors import ReplyInvalid, UnknownModel
from loc360.frames import View, clipped, whole
from loc360.payloads import detector_payload, segmenter_payload
from loc360.phenotype import in_millimetres, largest_component, mean_lab, shape_measures
from loc360.photo import photo_size, read_photo, scaled_size
from loc360.properties import Properties
from loc360.wire import Box, Image, Mask, SegmenterReply, decode_segmenter_replies, mask_base64


def sagemaker_preprocess(img_path: str, metadata: dict[str, Any]) -> str:
    """The payload of the model that `metadata["properties"]["dl_model_name"]` names.

    For the detector the scaled photo; for the segmenter, from the detector's raw reply in `sagemaker_response`, a
    JSON list of strings, one per object, that may be sent as one call per element or as a whole.
    Raises MetadataInvalid, UnknownModel, PhotoUnreadable, ReplyInvalid.
    """
    properties = Properties.read(metadata)
    manifest = properties.manifest
    if properties.model == manifest.detector_model:
        return detector_payload(img_path, manifest)
    if properties.model == manifest.segmenter_model:
        return segmenter_payload(img_path, manifest, properties.reply())
    raise UnknownModel(
        f"{properties.model!r} is no model of release {manifest.release!r}, "
        f"which has {manifest.detector_model!r} and {manifest.segmenter_model!r}."
    )


def process(img_path: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """The metrics that Loc360 saves, from the segmenter's raw reply or the JSON list of its raw replies.

    `count` is the number of `objects`; objects whose mask came back empty are counted in `empty_masks` instead.
    Boxes are in pixels of the upright photo at full size. A mask is measured at the resolution it was drawn at; of an
    object in several pieces the largest counts. `mean_lab` samples the photo's own pixels, one per mask pixel: every
    pixel of objects sent unscaled, an even grid of larger ones.
    Raises MetadataInvalid, PhotoUnreadable, ReplyInvalid (also for replies missing, doubled or of another release).
    """
    properties = Properties.read(metadata)
    replies = _in_order(decode_segmenter_replies(properties.reply()), properties.manifest.release)
    if replies:
        photo = read_photo(img_path)
        height, width = photo.shape[:2]
        found = [_found(reply, photo, properties) for reply in replies]
    else:
        width, height = photo_size(img_path)
        found = []
    objects = [item for item in found if item is not None]
    return {
        "release": properties.manifest.release,
        "count": len(objects),
        "empty_masks": len(found) - len(objects),
        "width_px": width,
        "height_px": height,
        "mm_per_px": properties.mm_per_px,
        "objects": objects,
    }


def _in_order(replies: list[SegmenterReply], release: str) -> list[SegmenterReply]:
    if strangers := {reply.echo.release for reply in replies} - {release}:
        raise ReplyInvalid(f"Replies of other releases than {release!r} are among them: {sorted(strangers)}.")
    ordered = sorted(replies, key=lambda reply: reply.echo.index)
    indexes = [reply.echo.index for reply in ordered]
    counts = {reply.echo.count for reply in ordered}
    if indexes != list(range(len(ordered))) or counts - {len(ordered)}:
        raise ReplyInvalid(f"Replies are missing or doubled: got {indexes}, announced were {sorted(counts)}.")
    return ordered


def _found(reply: SegmenterReply, photo: Image, properties: Properties) -> dict[str, Any] | None:
    crop = _view(reply, photo, properties.manifest.crop_side_px)
    mask = largest_component(reply.mask)
    if not mask.any():
        return None
    tight = _tight_box(mask)
    x0, y0, x1, y1 = map(int, tight)
    mask = mask[y0:y1, x0:x1]
    box_px = [round(edge, 3) for edge in crop.box_on_photo(tight)]
    shape = shape_measures(mask, crop.scale_x, crop.scale_y)
    return {
        "index": reply.echo.index,
        "label": reply.echo.label,
        "score": reply.echo.score,
        "box_px": box_px,
        "mask_png": mask_base64(mask),
        "mask_box_px": box_px,
        **shape,
        "mean_lab": list(mean_lab(_colours(photo, crop, tight), mask)),
        **(in_millimetres(shape, properties.mm_per_px) if properties.mm_per_px else {}),
    }


def _view(reply: SegmenterReply, photo: Image, side_px: int) -> View:
    """Where the mask lies. Raises ReplyInvalid unless it is of a part of this photo that was sent to the model."""
    crop, (mask_height, mask_width) = reply.echo.crop, reply.mask.shape
    height, width = photo.shape[:2]
    if any(edge != int(edge) for edge in crop) or clipped(crop, whole(width, height)) != crop:
        raise ReplyInvalid(f"The crop {tuple(crop)} is no part of this photo of {width} x {height} pixels.")
    largest = scaled_size(int(crop.x1 - crop.x0), int(crop.y1 - crop.y0), side_px)
    if mask_width > largest[0] or mask_height > largest[1]:
        raise ReplyInvalid(
            f"A mask of {mask_width} x {mask_height} pixels is of no crop of {largest[0]} x {largest[1]}."
        )
    return View(crop, mask_width, mask_height)


def _tight_box(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _colours(photo: Image, crop: View, tight: Box) -> Image:
    """The photo's pixel under the centre of each pixel of the mask's part."""
    columns = crop.part.x0 + (np.arange(tight.x0, tight.x1) + 0.5) * crop.scale_x
    rows = crop.part.y0 + (np.arange(tight.y0, tight.y1) + 0.5) * crop.scale_y
    if crop.scale_x == crop.scale_y == 1:
        return photo[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
    return photo.take(rows.astype(np.intp), axis=0).take(columns.astype(np.intp), axis=1)
