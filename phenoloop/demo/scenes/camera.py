"""The camera: lens, sensor, and what every phone does before it writes a JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from phenoloop.demo.scenes.planes import Array, blurred, resized, sampled, shrunk

_CODES = 4096  # a 12-bit sensor
_CLIPS_AT = 2.0  # of linear light after exposure
_METERED = 0.24  # mean light that the exposure goes some of the way towards
_KNEE = 0.75  # of linear light; above it highlights are rolled off
_CROSSTALK = np.full((3, 3), 0.028, np.float32) + np.eye(3, dtype=np.float32) * np.float32(0.916)  # of the filters


@dataclass(frozen=True, slots=True)
class Camera:
    exposure: float
    white_balance: Array
    """(3,) gains that are left wrong."""
    vignette: float
    """Light lost in the corners."""
    distortion: float
    """Radial, at the corners; negative is barrel."""
    blur_px: float
    """Standard deviation of the point spread in a photo 1600 pixels wide."""
    shot_noise: float
    read_noise: float
    contrast: float
    sharpening: float
    jpeg_quality: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Camera":
        warm, tint, dim = rng.normal(0, 0.045), rng.normal(0, 0.02), rng.random() ** 2
        return cls(
            exposure=float(np.clip(rng.normal(0.86, 0.11), 0.62, 1.2)),
            white_balance=np.array([1 + warm, 1 - tint, 1 - warm], np.float32),
            vignette=rng.uniform(0.06, 0.3),
            distortion=rng.uniform(-0.004, 0.004),
            blur_px=rng.uniform(0.5, 0.95) if rng.random() < 0.8 else rng.uniform(0.95, 1.4),
            shot_noise=0.005 + 0.011 * dim,
            read_noise=0.001 + 0.0025 * dim,
            contrast=rng.uniform(0.2, 0.65),
            sharpening=rng.uniform(0.15, 0.55),
            jpeg_quality=int(rng.integers(84, 96)),
        )

    def lens_map(self, width_px: int, height_px: int) -> tuple[Array, Array]:
        """For each pixel of the photo the place x, y (h, w) in the undistorted picture that it shows."""
        x = np.arange(width_px, dtype=np.float32)[None, :] - np.float32((width_px - 1) / 2)
        y = np.arange(height_px, dtype=np.float32)[:, None] - np.float32((height_px - 1) / 2)
        factor = 1 - (x * x + y * y) * np.float32(self.distortion * 4 / (width_px**2 + height_px**2))
        return x * factor + np.float32((width_px - 1) / 2), y * factor + np.float32((height_px - 1) / 2)

    def photo(self, light: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
        """(h, w, 3) 8-bit sRGB, as decoded from the camera's JPEG, of linear light in which white paper is 0.8."""
        height, width = light.shape[:2]
        seen = blurred(
            np.minimum(sampled(light, *self.lens_map(width, height)), 6), self.blur_px * max(width / 1600, 0.35)
        )
        seen = 0.975 * seen + 0.025 * _glow(seen)
        gain = self.exposure * (_METERED / _metered(seen)) ** 0.22
        seen = cv2.transform(seen, _CROSSTALK) * _falloff(self.vignette, height, width)[..., None]
        developed = self._tone_table()[self._sensed(seen * (np.float32(gain) * self.white_balance), rng)]
        return _through_jpeg(self._sharpened(developed), self.jpeg_quality)

    def _sensed(self, light: Array, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Sensor codes; shot noise grows with the root of the light, and interpolation makes noise coarser."""
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        noise = 0.7 * noise + 1.1 * blurred(noise, 0.9)
        level = np.float32(self.read_noise) + np.float32(self.shot_noise) * np.sqrt(np.maximum(light, 0))
        codes = (light + noise * level) * np.float32((_CODES - 1) / _CLIPS_AT)
        sensed: NDArray[np.uint16] = np.clip(codes, 0, _CODES - 1).astype(np.uint16)
        return sensed

    def _tone_table(self) -> NDArray[np.uint8]:
        """8-bit sRGB for each code: highlights rolled off, the sRGB curve, then an S-curve."""
        light = np.linspace(0, _CLIPS_AT, _CODES)
        over = np.maximum(light - _KNEE, 0)
        rolled = np.minimum(light, _KNEE) + (1 - _KNEE) * (1 - np.exp(-over / (1 - _KNEE) * 0.75))
        srgb = np.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * np.maximum(rolled, 1e-9) ** (1 / 2.4) - 0.055)
        curved = srgb + self.contrast * 0.5 * (srgb * srgb * (3 - 2 * srgb) - srgb)
        table: NDArray[np.uint8] = np.clip(np.round(curved * 255), 0, 255).astype(np.uint8)
        return table

    def _sharpened(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.1)
        sharp = cv2.addWeighted(picture, 1 + self.sharpening, soft, -self.sharpening, 0)
        return sharp.astype(np.uint8, copy=False)


def _metered(light: Array) -> float:
    """Mean light, or a share of the bright parts if they are brighter: a meter spares highlights."""
    few = light[::16, ::16]
    return max(float(few.mean()), 0.3 * float(np.quantile(few, 0.97)), 0.02)


def _falloff(lost: float, height: int, width: int) -> Array:
    y, x = np.mgrid[-1:1:60j, -1:1:80j]
    return resized(1 - lost * ((x * x + y * y) / 2) ** 1.3, (height, width))


def _glow(light: Array) -> Array:
    """Light that the lens scatters widely."""
    small = shrunk(light, 0.125)
    return resized(blurred(small, 4 * max(small.shape[1] / 200, 0.3)), light.shape)


def _through_jpeg(photo: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert bgr is not None  # noqa: S101  # what OpenCV has just encoded
    return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)
