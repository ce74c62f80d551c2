import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from phenoloop.demo.scenes import SPECIES, Scene, SceneInstance, read_scene, render_scene, save_scene
from phenoloop.demo.scenes.blob import Blob
from phenoloop.demo.scenes.ground import View
from phenoloop.demo.scenes.layout import laid_out
from phenoloop.demo.scenes.ruler import draw_scale
from phenoloop.demo.scenes.shapes import Patch
from phenoloop.demo.scenes.tube import Tube

SIZE = {"width_px": 480, "height_px": 360}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(seed, **SIZE) for seed in range(12)]


@pytest.fixture(scope="module")
def instances(scenes: list[Scene]) -> list[SceneInstance]:
    return [instance for scene in scenes for instance in scene.instances]


def test_the_same_seed_gives_the_same_scene_and_another_seed_another(scenes: list[Scene]) -> None:
    again = render_scene(3, **SIZE)

    assert np.array_equal(again.photo, scenes[3].photo)
    assert [i.length_mm for i in again.instances] == [i.length_mm for i in scenes[3].instances]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(again.instances, scenes[3].instances, strict=True))
    assert not np.array_equal(render_scene(4, **SIZE).photo, again.photo)


def test_a_photo_is_an_8_bit_rgb_picture_of_the_asked_size(scenes: list[Scene]) -> None:
    assert {(s.photo.shape, s.photo.dtype.name) for s in scenes} == {((360, 480, 3), "uint8")}
    assert all(20 < s.photo.mean() < 235 and s.photo.std() > 8 for s in scenes)


def test_the_visible_masks_of_a_scene_are_disjoint(scenes: list[Scene]) -> None:
    for scene in scenes:
        owners = np.sum([instance.mask for instance in scene.instances], axis=0)
        assert owners.max() == 1


def test_a_visible_mask_is_what_later_objects_leave_of_the_whole_outline(scenes: list[Scene]) -> None:
    for scene in scenes:
        above = np.zeros(scene.photo.shape[:2], bool)
        for instance in reversed(scene.instances):
            assert np.array_equal(instance.mask, instance.amodal_mask & ~above)
            assert instance.visible_share == pytest.approx(instance.mask.sum() / instance.amodal_mask.sum())
            above |= instance.amodal_mask


def test_some_objects_are_partly_hidden_but_none_mostly(instances: list[SceneInstance]) -> None:
    shares = [instance.visible_share for instance in instances]
    assert min(shares) < 0.97
    assert min(shares) > 0.3


def test_sizes_in_mm_agree_with_the_mask_in_the_photo(scenes: list[Scene]) -> None:
    for scene in scenes:
        for instance in scene.instances:
            long_mm, short_mm = (side * scene.mm_per_px for side in _rectangle_px(instance.amodal_mask))
            area_mm2 = instance.amodal_mask.sum() * scene.mm_per_px**2
            assert instance.length_mm * instance.width_mm == pytest.approx(long_mm * short_mm, rel=0.05)
            assert instance.area_mm2 == pytest.approx(area_mm2, rel=0.05)
            if instance.label in ("carrot", "cucumber"):  # round things have two rectangles that are as small
                assert instance.length_mm == pytest.approx(long_mm, rel=0.02, abs=2 * scene.mm_per_px)
                assert instance.width_mm == pytest.approx(short_mm, rel=0.02, abs=2 * scene.mm_per_px)


def test_objects_lie_whole_within_the_photo(instances: list[SceneInstance]) -> None:
    for instance in instances:
        inner = instance.amodal_mask[1:-1, 1:-1]
        assert inner.sum() == instance.amodal_mask.sum()


@pytest.mark.parametrize("label", list(SPECIES))
def test_every_species_can_be_had_alone_and_has_the_size_of_its_kind(label: str) -> None:
    most_mm = {"carrot": 270, "tomato": 115, "pepper": 190, "cucumber": 340, "potato": 140}[label]
    scene = render_scene(5, species=[label], max_objects=3, **SIZE)

    assert {instance.label for instance in scene.instances} == {label}
    assert all(30 < instance.length_mm < most_mm for instance in scene.instances)
    assert all(instance.width_mm <= instance.length_mm for instance in scene.instances)


def test_no_two_instances_of_a_kind_are_alike(instances: list[SceneInstance]) -> None:
    outlines = {_cut_out(instance.amodal_mask).tobytes() for instance in instances}
    assert len(outlines) == len(instances)


def test_there_are_never_more_objects_than_asked_for_and_never_none(scenes: list[Scene]) -> None:
    assert all(1 <= len(scene.instances) <= 14 for scene in scenes)
    assert len(render_scene(1, max_objects=1, **SIZE).instances) == 1


def test_the_photographed_field_is_300_to_720_mm_across_at_any_resolution(scenes: list[Scene]) -> None:
    assert all(300 <= scene.mm_per_px * 360 <= 720 for scene in scenes)
    assert render_scene(2, width_px=240, height_px=180).mm_per_px == pytest.approx(2 * scenes[2].mm_per_px)


def test_the_ruler_or_card_in_the_photo_is_drawn_true_to_scale() -> None:
    view = View(1200, 900, 0.4)
    for seed in range(12):
        cover = draw_scale(np.random.default_rng(seed), view, (4.0, 4.0)).cover > 0.5
        long_px, short_px = _rectangle_px(cover)
        sides_mm = round(long_px * view.mm_per_px), round(short_px * view.mm_per_px)
        assert sides_mm in {(76, 58), *((length + 12, width) for length in (100, 150, 200, 300) for width in (26, 30))}


def test_objects_keep_off_the_scale() -> None:
    view, kept_free = View(400, 300, 1.2), np.zeros((300, 400), np.float32)
    kept_free[:, 150:250] = 1
    for seed in range(6):
        placed = laid_out(np.random.default_rng(seed), view, (4.0, 4.0), kept_free, ["tomato"], 5)
        assert placed
        assert not any((kept_free[thing.window] * (thing.solid.cover >= 0.5)).any() for thing in placed)


def test_backgrounds_vary(scenes: list[Scene]) -> None:
    assert len({scene.background for scene in scenes}) >= 3


def test_a_traced_ball_has_the_height_outline_and_normals_of_a_ball() -> None:
    ball = Blob.posed(lambda x, _y, _z: np.full_like(x, 20.0), np.eye(3))
    surface = ball.traced(Patch(-25, -25, 100, 100, 0.5))
    top, cover = surface.spread(surface.top), surface.spread(surface.cover)
    normal = surface.spread(surface.normal)

    assert cover.sum() * 0.25 == pytest.approx(np.pi * 400, rel=0.01)
    assert top[50, 50] == pytest.approx(20, abs=0.1)
    assert top[50, 74] == pytest.approx(np.sqrt(400 - 12.25**2), abs=0.1)
    assert normal[50, 74, 0] == pytest.approx(12.25 / 20, abs=0.03)


def test_a_traced_rod_is_as_long_and_wide_as_its_spine_and_radius_say() -> None:
    rod = Tube(np.linspace([-30.0, 0, 0], [30, 0, 0], 20), np.full(20, 8.0)).turned(np.pi / 2)
    surface = rod.traced(Patch(-20, -50, 80, 200, 0.5))
    long_px, short_px = _rectangle_px(surface.spread(surface.cover) > 0.5)

    assert long_px * 0.5 == pytest.approx(60 + 16, abs=1.5)
    assert short_px * 0.5 == pytest.approx(16, abs=1.5)
    assert surface.spread(surface.top)[100, 40] == pytest.approx(8, abs=0.1)


def test_a_saved_scene_reads_back_with_its_truth(tmp_path: Path, scenes: list[Scene]) -> None:
    save_scene(scenes[0], tmp_path)

    read = read_scene(tmp_path / "truth" / "scene_000000.json")

    assert (read.mm_per_px, read.background, read.seed) == (scenes[0].mm_per_px, scenes[0].background, 0)
    assert np.abs(read.photo.astype(int) - scenes[0].photo).mean() < 3
    for one, other in zip(read.instances, scenes[0].instances, strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert np.array_equal(one.amodal_mask, other.amodal_mask)
        assert (one.label, one.length_mm, one.area_mm2) == (other.label, other.length_mm, other.area_mm2)


def test_the_photo_file_carries_a_cameras_exif_and_nothing_of_the_truth(tmp_path: Path, scenes: list[Scene]) -> None:
    path = save_scene(scenes[0], tmp_path)
    content = path.read_bytes()

    with Image.open(path) as image:
        exif = image.getexif()
        assert image.format == "JPEG"
        assert exif[0x010F]
        assert exif[0x0132][:2] == "20"
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "exif", "dpi"}
    assert path.parent.name == "images"
    assert [child.name for child in path.parent.iterdir()] == [path.name]
    truth = json.loads((tmp_path / "truth" / "scene_000000.json").read_text())
    told = [scenes[0].background, str(truth["mm_per_px"]), "mm_per_px", "mask", *SPECIES]
    assert not any(word.encode() in content for word in told)


def _cut_out(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _rectangle_px(mask: np.ndarray) -> tuple[float, float]:
    """Long and short side of the smallest rectangle about a mask, by its pixels' corners."""
    rows, columns = np.nonzero(mask)
    corners = np.concatenate([np.stack([columns + dx, rows + dy], -1) for dx in (0, 1) for dy in (0, 1)])
    _, sides, _ = cv2.minAreaRect(corners.astype(np.float32))
    return max(sides), min(sides)
