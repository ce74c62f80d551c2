"""The chain: photo in, measured instances out, by the release that is live."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import structlog

import loc360
from loc360.errors import Loc360Error, MetadataInvalid, PhotoUnreadable, ReplyInvalid, UnknownModel
from loc360.frames import clipped, whole
from loc360.photo import decoded_once, photo_size
from loc360.wire import Box, DetectorReply, Find, Point, encode_detector_reply
from phenoloop.chain.flow import FanOut, Flow, Invoker, Stage
from phenoloop.chain.images import StoredImage
from phenoloop.chain.releases import LiveRelease, Release
from phenoloop.chain.reply_cache import ReplyCache
from phenoloop.chain.results import ChainResult, Instance, Prompt, chain_result
from phenoloop.errors import ImageUnreadable, ModelReplyInvalid, SettingsInvalid, TaskInvalid

__all__ = ["Chain", "ChainResult", "Instance", "Prompt", "flow_of"]

POINT_WINDOW = 0.3
"""Side of the window around a lone point, as a share of the photo's shorter side."""


Timed = Callable[[str], AbstractContextManager[object]]
"""Around a step of that name, to time it."""


def flow_of(release: Release, timed: Timed = nullcontext) -> Flow:
    """Detector on the whole photo, then segmenter, one call per object."""

    def preprocess(photo_path: str, metadata: dict[str, Any]) -> str:
        with timed("preprocess"):
            return loc360.sagemaker_preprocess(photo_path, metadata)

    def process(photo_path: str, metadata: dict[str, Any]) -> dict[str, Any]:
        with timed("process"):
            return loc360.process(photo_path, metadata)

    return Flow(
        stages=(
            Stage(release.manifest["detector_model"], release.detector.endpoint, FanOut.IMAGE),
            Stage(release.manifest["segmenter_model"], release.segmenter.endpoint, FanOut.OBJECT),
        ),
        preprocess=preprocess,
        process=process,
    )


class Chain:
    """Each call takes the live release once and stays with it to its end. Safe to use from many threads."""

    def __init__(
        self, endpoints: Invoker, live: LiveRelease, *, timed: Timed = nullcontext, replies: ReplyCache | None = None
    ) -> None:
        """With `replies`, a photo that was annotated under the same release asks no model again."""
        self._endpoints = endpoints
        self._live = live
        self._timed = timed
        self._replies = replies

    def version(self, project: int | None = None) -> str:
        """Name of the release that is live for the project: Label Studio's model_version. Raises ReleaseMissing."""
        return self._live.current(project).name

    def annotate(
        self, image: StoredImage, *, mm_per_px: float | None = None, project: int | None = None
    ) -> ChainResult:
        """Everything that the two models of the project's release find. `mm_per_px` wins over the image's own.

        Raises ImageUnreadable, ReleaseMissing, EndpointUnavailable, EndpointRefused, ModelReplyInvalid.
        """
        release = self._live.current(project)
        with _in_our_words(image), decoded_once():
            return self._known_result(release, image, mm_per_px) or self._result(release, image, mm_per_px)

    def segment(
        self, image: StoredImage, prompt: Prompt, *, mm_per_px: float | None = None, project: int | None = None
    ) -> ChainResult:
        """The one object that an annotator points at: the prompt stands for the detector's reply.

        Raises TaskInvalid if the prompt shows nothing of the photo, and what `annotate` raises.
        """
        release = self._live.current(project)
        with _in_our_words(image), decoded_once():
            reply = encode_detector_reply(_as_detector(release.name, prompt, *photo_size(str(image.path))))
            return self._result(release, image, mm_per_px, done=1, reply=reply)

    def _known_result(self, release: Release, image: StoredImage, mm_per_px: float | None) -> ChainResult | None:
        """Of replies that are kept. What can't be used of them is dropped and asked for again."""
        if self._replies and (reply := self._replies.known(release.name, image.etag, image.path)) is not None:
            try:
                return self._result(release, image, mm_per_px, done=2, reply=reply)
            except ReplyInvalid:
                self._replies.drop(release.name, image.etag, image.path)
        return None

    def _result(
        self, release: Release, image: StoredImage, mm_per_px: float | None, *, done: int = 0, reply: str | None = None
    ) -> ChainResult:
        started, flow = time.perf_counter(), flow_of(release, self._timed)
        properties = {"manifest": release.manifest, "mm_per_px": image.mm_per_px if mm_per_px is None else mm_per_px}
        last = flow.reply(done, reply, str(image.path), properties, self._endpoints)
        result = chain_result(flow.processed(last, str(image.path), properties))
        if self._replies and done == 0:
            self._replies.keep(release.name, image.etag, image.path, last)
        structlog.get_logger().info(
            "photo run through the chain",
            release=release.name,
            from_stage=done + 1,
            objects=len(result.instances),
            seconds=round(time.perf_counter() - started, 3),
        )
        return result


def _as_detector(release: str, prompt: Prompt, width_px: int, height_px: int) -> DetectorReply:
    """What the detector would say of the prompt. Its sent frame is the photo's."""
    point = None if prompt.point_px is None else _inside(prompt.point_px, width_px, height_px)
    box = prompt.box_px or (point and _window(point, width_px, height_px))
    if box is None:
        raise TaskInvalid("The prompt has neither a box nor a point.")
    visible = clipped(box, whole(width_px, height_px))
    if visible is None:
        raise TaskInvalid("The prompt shows less than a pixel of the photo.", box=tuple(box))
    find = Find(box=visible, label=prompt.label, score=1.0, point=point)
    return DetectorReply(release=release, width_px=width_px, height_px=height_px, finds=(find,))


def _inside(point: Point, width_px: int, height_px: int) -> Point:
    if not (0 <= point.x <= width_px and 0 <= point.y <= height_px):
        raise TaskInvalid("The prompt's point lies outside the photo.", point=tuple(point))
    return Point(min(point.x, width_px - 0.5), min(point.y, height_px - 0.5))  # on a pixel, even at the far edge


def _window(point: Point, width_px: int, height_px: int) -> Box:
    half = max(1.0, POINT_WINDOW * min(width_px, height_px) / 2)
    return Box(point.x - half, point.y - half, point.x + half, point.y + half)


@contextmanager
def _in_our_words(image: StoredImage) -> Iterator[None]:
    try:
        yield
    except PhotoUnreadable as error:
        raise ImageUnreadable("The photo can't be read.", etag=image.etag, reason=str(error)) from error
    except (MetadataInvalid, UnknownModel) as error:
        raise SettingsInvalid("The module refuses the release or the scale.", reason=str(error)) from error
    except Loc360Error as error:
        raise ModelReplyInvalid("A model's reply can't be used.", etag=image.etag, reason=str(error)) from error
