"""The visible scale: a steel or plastic ruler, or a checker card with millimetre marks."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.ground import Ground, View
from phenoloop.demo.scenes.planes import Array, linear, mixed

Face = NDArray[np.uint8]
"""(h, w, 3) sRGB, drawn finer than the photo."""
Ink = tuple[int, int, int]

_FINE = 2  # cells of a face to a pixel of the photo
_BLACK, _WHITE = (24, 24, 26), (236, 236, 232)
_PATCHES = ((178, 52, 58), (70, 148, 74), (48, 66, 152), (232, 200, 34), (122, 122, 120), (200, 200, 198))


@dataclass(frozen=True, slots=True)
class Scale:
    """A flat thing with marks, laid into the photo."""

    cover: Array
    """(h, w) share of each pixel that it covers."""
    albedo: Array
    """(h, w, 3) linear, where it covers."""
    gloss: float
    thickness_mm: float

    def on(self, ground: Ground) -> Ground:
        """The ground with the scale lying on it."""
        return Ground(
            name=ground.name,
            albedo=mixed(ground.albedo, self.albedo, self.cover),
            relief=ground.relief * (1 - self.cover) + self.thickness_mm * self.cover,
            gloss=ground.gloss * (1 - self.cover) + self.gloss * self.cover,
            border_mm=ground.border_mm,
        )


def draw_scale(rng: np.random.Generator, view: View, border_mm: tuple[float, float]) -> Scale:
    """A scale near an edge of the photo, true to `view.mm_per_px`."""
    kind = rng.choice(["steel", "plastic", "card"], p=[0.3, 0.3, 0.4])
    cells_per_mm = _FINE / view.mm_per_px
    if kind == "card":
        return _laid(rng, _card(cells_per_mm, framed=rng.random() < 0.5), view, border_mm, gloss=0.01, thickness_mm=0.6)
    room_mm = int(view.width_mm - 2 * border_mm[0] - 40)
    length_mm = max(min(int(rng.choice([100, 150, 200, 300])), room_mm // 10 * 10), 50)
    if kind == "steel":
        face = _ruler(length_mm, 30, cells_per_mm, (196, 198, 198))
        hole = round(3 * cells_per_mm), face.shape[0] // 2
        cv2.circle(face, hole, round(1.6 * cells_per_mm), (60, 58, 56), -1, cv2.LINE_AA)
        return _laid(rng, face, view, border_mm, gloss=0.12, thickness_mm=1.0)
    return _laid(
        rng, _ruler(length_mm, 26, cells_per_mm, (240, 240, 234)), view, border_mm, gloss=0.03, thickness_mm=2.0
    )


def _ruler(length_mm: int, width_mm: int, cells_per_mm: float, paper: Ink) -> Face:
    """Millimetres on one edge, half centimetres on the other, numbered in centimetres."""
    margin = 6
    face = _blank(length_mm + 2 * margin, width_mm, cells_per_mm, paper)
    for mm in range(length_mm + 1):
        x, whole, half = margin + mm, mm % 10 == 0, mm % 5 == 0
        _tick(face, cells_per_mm, x, 0, 7 if whole else 5 if half else 3.2, 0.22)
        if half:
            _tick(face, cells_per_mm, x, width_mm - (5 if whole else 3), width_mm, 0.3)
        if whole and mm:
            _write(face, cells_per_mm, str(mm // 10), x, 11.5, 4.2)
    _write(face, cells_per_mm, "cm", margin + 2, 16, 3)
    return face


def _card(cells_per_mm: float, *, framed: bool) -> Face:
    """Squares of 10 mm, colour patches, and a line of 60 mm with millimetre marks."""
    wide, tall, left, top = 76, 58, 8, 7
    face = _blank(wide, tall, cells_per_mm, _WHITE)
    for column in range(6):
        _fill(face, cells_per_mm, left + 10 * column, top + 10 * (column % 2), 10, 10, _BLACK)
        _fill(face, cells_per_mm, left + 10 * column + 0.6, top + 21.5, 8.8, 8, _PATCHES[column])
    for mm in range(61):
        _tick(
            face, cells_per_mm, left + mm, tall - 17, tall - (11 if mm % 10 == 0 else 12.6 if mm % 5 == 0 else 14), 0.24
        )
        if mm % 20 == 0:
            _write(face, cells_per_mm, str(mm), left + mm, tall - 7.5, 3.2)
    _write(face, cells_per_mm, "mm", left + 50, tall - 7.5, 3.2)
    if framed:
        cv2.rectangle(face, (0, 0), (face.shape[1] - 1, face.shape[0] - 1), _BLACK, round(0.8 * cells_per_mm))
    return face


def _blank(width_mm: float, height_mm: float, cells_per_mm: float, paper: Ink) -> Face:
    return np.full((round(height_mm * cells_per_mm), round(width_mm * cells_per_mm), 3), paper, np.uint8)


def _fill(face: Face, cells_per_mm: float, x: float, y: float, width: float, height: float, ink: Ink) -> None:
    x0, y0, x1, y1 = (round(edge * cells_per_mm) for edge in (x, y, x + width, y + height))
    face[y0:y1, x0:x1] = ink


def _tick(face: Face, cells_per_mm: float, x: float, y0: float, y1: float, width: float) -> None:
    """An upright line about x, blended into the cells that its sides cut: marks stay true below a cell."""
    low, high = (x - width / 2) * cells_per_mm, (x + width / 2) * cells_per_mm
    rows = slice(round(y0 * cells_per_mm), round(y1 * cells_per_mm))
    for column in range(int(low), min(int(high) + 1, face.shape[1])):
        share = min(column + 1, high) - max(column, low)
        face[rows, column] = (face[rows, column] * (1 - share) + np.array(_BLACK) * share).astype(np.uint8)


def _write(face: Face, cells_per_mm: float, text: str, x: float, y: float, tall: float) -> None:
    """Text centred on (x, y), `tall` mm high."""
    size, thick = tall * cells_per_mm / 22, max(round(tall * cells_per_mm / 8), 1)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
    corner = round(x * cells_per_mm - width / 2), round(y * cells_per_mm + height / 2)
    cv2.putText(face, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, _BLACK, thick, cv2.LINE_AA)


def _laid(
    rng: np.random.Generator,
    face: Face,
    view: View,
    border_mm: tuple[float, float],
    *,
    gloss: float,
    thickness_mm: float,
) -> Scale:
    """The face, turned a little, near an edge inside the border."""
    size = np.array(view.shape[::-1])
    upright = rng.random() < 0.25 and face.shape[1] / _FINE < 0.8 * view.height_px
    angle = rng.normal(0, 0.05) + (np.pi / 2 if upright else 0) + (np.pi if rng.random() < 0.2 else 0)
    to_photo = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / _FINE
    half_face = np.array(face.shape[1::-1]) / 2
    spare = np.maximum(size / 2 - np.array(border_mm) / view.mm_per_px - np.abs(to_photo) @ half_face - 3, 0)
    along, across = rng.uniform(-1, 1), rng.choice([-1, 1]) * rng.uniform(0.82, 1.0)
    centre = size / 2 + np.array([across, along] if upright else [along, across]) * spare
    matrix = np.concatenate([to_photo, (centre - to_photo @ half_face)[:, None]], 1)
    photo_size = (view.width_px, view.height_px)
    softened = cv2.GaussianBlur(face, (0, 0), 0.45 * _FINE)
    laid = cv2.warpAffine(softened, matrix, photo_size, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(np.ones(face.shape[:2], np.float32), matrix, photo_size)
    return Scale(cover.astype(np.float32), linear(np.arange(256))[laid], gloss, thickness_mm)
