import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from loc360.errors import PhotoUnreadable
from loc360.photo import decoded_once, photo_size, read_photo, read_photo_scaled, scaled_down
from loc360.wire import Box
from tests.hostile.pictures import scan_bomb
from tests.unit.fake_models import COLOURS, Painted, paint, save

RED_TOP_LEFT = [Painted("tomato", Box(0, 0, 30, 20))]


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp", "photo.avif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_photo_is_read_upright(tmp_path: Path, name: str, orientation: int) -> None:
    photo = paint(60, 40, RED_TOP_LEFT)

    path = save(photo, tmp_path / name, orientation=orientation)

    assert photo_size(path) == (60, 40)
    for read in (read_photo(path), cv2.resize(read_photo_scaled(path, 30), (60, 40))):
        assert np.abs(read[5, 5].astype(int) - COLOURS["tomato"]).max() < 12
        assert np.ptp(read[30, 50]) < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_a_white_photo_is_white_in_every_mode(tmp_path: Path, mode: str) -> None:
    name = "white.tif" if mode in ("CMYK", "YCbCr") else "white.png"
    Pillow.new("RGB", (4, 3), "white").convert(mode).save(tmp_path / name)

    photo = read_photo(str(tmp_path / name))

    assert photo.shape == (3, 4, 3)
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    assert photo.min() > 252


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Pillow.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK").save(tmp_path / "photo.jpg")

    assert np.abs(read_photo(str(tmp_path / "photo.jpg"))[8, 8].astype(int) - (255, 0, 0)).max() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(tmp_path: Path, mode: str) -> None:
    options = {"transparency": 0} if mode == "P" else {}
    Pillow.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode).save(tmp_path / "photo.png", **options)

    assert read_photo(str(tmp_path / "photo.png"))[0, 0].tolist() == [255, 255, 255]


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    Pillow.new("RGBA", (2, 2), (255, 0, 0, 128)).save(tmp_path / "photo.png")

    assert read_photo(str(tmp_path / "photo.png"))[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "grey.pgm", "colour.png", "colour.tif", "colour.ppm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    cv2.imwrite(str(tmp_path / name), ramp if name.startswith("grey") else np.dstack([ramp] * 3))

    assert read_photo(str(tmp_path / name))[0, :, 1].tolist() == list(range(256))


def test_a_floating_point_photo_is_refused_because_its_white_is_unknown(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.tif"), np.ones((3, 3), np.float32))

    with pytest.raises(PhotoUnreadable, match="white"):
        read_photo(str(tmp_path / "photo.tif"))


def test_a_single_pixel_is_a_photo(tmp_path: Path) -> None:
    path = save(np.full((1, 1, 3), 7, np.uint8), tmp_path / "photo.png")

    assert read_photo(path).tolist() == [[[7, 7, 7]]]
    assert read_photo_scaled(path, 1024).shape == (1, 1, 3)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
@pytest.mark.parametrize(("width", "height"), [(1601, 1207), (2050, 300), (901, 1799)])
def test_a_scaled_photo_shows_things_where_they_are(tmp_path: Path, name: str, width: int, height: int) -> None:
    edge_x, edge_y = width * 3 // 4, height * 3 // 4
    path = save(paint(width, height, [Painted("carrot", Box(edge_x, edge_y, width, height))]), tmp_path / name)

    scaled = read_photo_scaled(path, 200)

    shown_height, shown_width = scaled.shape[:2]
    assert max(scaled.shape) == 200
    coloured = np.ptp(scaled.astype(int), axis=2) > 60
    assert abs(coloured.any(axis=0).argmax() - edge_x * shown_width / width) <= 1
    assert abs(coloured.any(axis=1).argmax() - edge_y * shown_height / height) <= 1


@pytest.mark.parametrize(("width", "height", "orientation"), [(2001, 1499, 1), (1503, 2003, 6), (1601, 1199, 3)])
def test_a_jpeg_scaled_while_it_is_decoded_lies_as_if_scaled_after(
    tmp_path: Path, width: int, height: int, orientation: int
) -> None:
    texture = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    path = save(cv2.resize(texture, (width, height)), tmp_path / "photo.jpg", orientation=orientation, quality=95)

    scaled = read_photo_scaled(path, 240).astype(int)

    reference = scaled_down(read_photo(path), 240)
    for axis in (0, 1):
        off_by_a_pixel = np.abs(scaled - np.roll(reference, 1, axis)).mean()
        assert np.abs(scaled - reference).mean() < off_by_a_pixel / 5


@pytest.mark.parametrize("side_px", [1500, 1024, 801, 799, 333, 100])
def test_a_scaled_photo_is_close_to_the_area_average(side_px: int) -> None:
    noise = np.random.default_rng(0).normal(128, 500, (1200, 1601, 3))
    photo = cv2.GaussianBlur(noise, (0, 0), 4).clip(0, 255).astype(np.uint8)

    scaled = scaled_down(photo, side_px)

    average, single_pixels = (cv2.resize(photo, scaled.shape[1::-1], interpolation=method).astype(int)
                              for method in (cv2.INTER_AREA, cv2.INTER_NEAREST))  # fmt: skip
    assert np.abs(scaled - average).mean() < np.abs(single_pixels - average).mean() / 2


@pytest.mark.parametrize("grey", [0, 1, 2])
def test_a_jpeg_of_one_colour_keeps_it(tmp_path: Path, grey: int) -> None:
    path = save(np.full((24, 32, 3), grey, np.uint8), tmp_path / "photo.jpg", quality=100)

    assert np.unique(read_photo(path)).tolist() == [grey]


def test_a_small_photo_is_not_enlarged(tmp_path: Path) -> None:
    assert read_photo_scaled(save(paint(50, 40, []), tmp_path / "photo.jpg"), 1024).shape == (40, 50, 3)


def test_a_very_long_photo_keeps_a_pixel_of_height(tmp_path: Path) -> None:
    assert read_photo_scaled(save(paint(5000, 2, []), tmp_path / "photo.png"), 100).shape == (1, 100, 3)


def test_fifty_megapixels_are_read(tmp_path: Path) -> None:
    path = save(np.zeros((6250, 8000, 3), np.uint8), tmp_path / "photo.jpg", orientation=6)

    assert photo_size(path) == (8000, 6250)
    assert read_photo_scaled(path, 1024).shape == (800, 1024, 3)
    assert read_photo(path).shape == (6250, 8000, 3)


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    for side in (13_100, 60_000):
        path = tmp_path / f"{side}.png"
        path.write_bytes(_png_header(side, side))
        for read in (photo_size, read_photo):
            with pytest.raises(PhotoUnreadable):
                read(str(path))


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp"])
def test_a_truncated_photo_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), path)
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(PhotoUnreadable):
        read_photo(str(path))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_photo_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)

    for read in (photo_size, read_photo):
        with pytest.raises(PhotoUnreadable):
            read(str(path))


def test_a_missing_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoUnreadable):
        read_photo(str(tmp_path / "none.jpg"))
    with pytest.raises(PhotoUnreadable):
        read_photo(str(tmp_path))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on broken TIFF tags
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_corrupted_photo_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("photos") / name
    save(paint(40, 30, RED_TOP_LEFT), path, orientation=6)
    content = bytearray(path.read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[position] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        photo = read_photo(str(path))
    except PhotoUnreadable:
        return
    assert photo.ndim == 3
    assert photo.dtype == np.uint8


def _png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("mode", ["CMYK", "I;16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_plain_tiff_is_read_as_a_png_is_however_it_lies(tmp_path: Path, mode: str, orientation: int) -> None:
    grey = (np.arange(21, dtype=np.uint16) * 3000).reshape(7, 3)
    drawn = Pillow.fromarray(grey) if mode == "I;16" else Pillow.fromarray((grey // 256).astype(np.uint8)).convert(mode)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    drawn.save(tmp_path / "photo.tif", exif=exif)
    (drawn if mode == "I;16" else drawn.convert("RGB")).save(tmp_path / "photo.png", exif=exif)
    tiff, png = str(tmp_path / "photo.tif"), str(tmp_path / "photo.png")

    assert photo_size(tiff) == photo_size(png)
    assert np.array_equal(read_photo(tiff), read_photo(png))


def test_a_jpeg_of_endless_scans_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.jpg").write_bytes(scan_bomb(100, side=64))

    with pytest.raises(PhotoUnreadable, match="scans"):
        read_photo(str(tmp_path / "bomb.jpg"))


def test_a_torn_avif_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.avif"
    save(paint(60, 40, RED_TOP_LEFT), path)
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2] + bytes(20) + body[len(body) // 2 + 20 :])

    with pytest.raises(PhotoUnreadable):
        read_photo(str(path))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_the_quick_way_into_a_jpeg_gives_pillows_pixels(tmp_path: Path, subsampling: int, options: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    photo = cv2.GaussianBlur(cv2.resize(noise, (211, 149)), (5, 5), 0)
    path = save(photo, tmp_path / "1.jpg", quality=90, subsampling=subsampling, **options)

    with Pillow.open(path) as picture:
        assert np.array_equal(read_photo(path), np.asarray(picture.convert("RGB")))


@given(st.data())
def test_a_jpeg_that_breaks_off_is_refused_wherever_it_does(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path = Path(save(paint(60, 40, RED_TOP_LEFT), tmp_path_factory.mktemp("torn") / "1.jpg"))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 3))])

    with pytest.raises(PhotoUnreadable):
        read_photo(str(path))


def test_a_photo_is_decoded_once_where_that_is_wanted_and_nothing_is_remembered_elsewhere(tmp_path: Path) -> None:
    path = save(paint(60, 40, RED_TOP_LEFT), tmp_path / "1.png")

    assert read_photo(path) is not read_photo(path)
    with decoded_once():
        first = read_photo(path)
        assert read_photo(path) is first
        assert not first.flags.writeable
        assert np.array_equal(read_photo_scaled(path, 30), read_photo_scaled(path, 30))
        save(paint(80, 40, RED_TOP_LEFT), tmp_path / "1.png")
        assert read_photo(path).shape == (40, 80, 3)
    assert read_photo(path).flags.writeable
