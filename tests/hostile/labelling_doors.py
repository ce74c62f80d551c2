"""Doors of Label Studio's language: labelling configurations, brush masks, drawn regions."""

import json
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from hypothesis import strategies as st

from phenoloop.errors import LabellingConfigInvalid, TaskInvalid
from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.brush import decode_brush, encode_brush
from phenoloop.labelling.config import parse_labelling_config
from phenoloop.labelling.regions import Shape, regions
from tests.hostile.door import Door
from tests.hostile.values import changed, torn
from tests.unit.backend_fakes import BOXES, MASKS, recorded

TAGS = ["View", "Image", "Brush", "BrushLabels", "PolygonLabels", "Polygon", "RectangleLabels", "KeyPointLabels",
        "Labels", "Label", "Number", "Choices", "Style", "brushlabels", "Text", "Ünï"]  # fmt: skip
WORDS = ["", "image", "$image", "$", "tomato", "a,b,,c", " ", "1", "0", "true", "any", "nan", "inf", "1e-320", "-5",
         "9" * 400, "x" * 5000, "\U0001f955", "<&>\"'"]  # fmt: skip
NUMERIC = {"model_score_threshold", "step", "min", "max"}
NUMBERS = ["", "any", "0", "1", "-5", "0.01", "1e-320", "1e11", "0", "1", "0.5", "1e308", "nan", "1_000", "\u0661"]
ATTRIBUTES = ["name", "toName", "value", "alias", "predicted_values", "model_score_threshold", "smart", "smartOnly",
              "perRegion", "step", "min", "max", "background", "xmlns", "a:b"]  # fmt: skip
IMAGE = '<Image name="image" value="$image"/>'
BRUSH = '<BrushLabels name="b" toName="image">'
LABEL = '<Label value="x"/>'
BOMBS = [
    '<!DOCTYPE a [<!ENTITY b "bomb"><!ENTITY c "&b;&b;&b;&b;">]><View>&c;</View>',
    "<!DOCTYPE a [" + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)) + "]><View>&e11;</View>",
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><View>&x;</View>',
    '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><View/>',
    "<View>" * 100_000 + "</View>" * 100_000,
    f"<View>{IMAGE}{BRUSH * 5_000}{LABEL * 5_000}",
    f"<View>{IMAGE}{(BRUSH + LABEL) * 3_000}{'</BrushLabels>' * 3_000}</View>",
    f"<View>{IMAGE}{(BRUSH + LABEL) * 60}{LABEL * 12_000}{'</BrushLabels>' * 60}</View>",
    f'<View>{IMAGE}<Labels name="l" toName="image">{LABEL * 8_000}</Labels>'
    + '<Brush name="b" toName="image"/>' * 8_000 + "</View>",
    "<View " + " ".join(f'a{n}="x"' for n in range(50_000)) + "/>",
    f'<View>{IMAGE}{BRUSH}<Label value="{"x" * 3_000_000}"/></BrushLabels></View>',
    '<?xml version="1.0" encoding="utf-7"?><View/>', '<?xml version="1.0" encoding="utf-16"?><View/>',
    "\ufeff<View/>", "<View/>\x00", "<View>\ud800</View>",
]  # fmt: skip


@st.composite
def configs(draw: st.DrawFn) -> str:
    """Bombs, torn ones, and trees of odd controls."""
    match draw(st.integers(0, 9)):
        case 0:
            return draw(st.sampled_from(BOMBS))
        case 1:
            return draw(torn(draw(st.sampled_from([MASKS, BOXES])).encode())).decode(errors="replace")
        case 2:
            return draw(st.text(max_size=50))
        case _:
            return f"<View>{IMAGE}{draw(_tree)}</View>"


def _element(tag: str, attributes: dict[str, str], inner: list[str]) -> str:
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{written}>{''.join(inner)}</{tag}>"


_attributes = st.fixed_dictionaries(
    {"name": st.sampled_from(["b", "c", "", "image"]), "toName": st.sampled_from(["image", "image", "image", "", "b"])},
    optional={name: st.sampled_from(NUMBERS if name in NUMERIC else WORDS) for name in ATTRIBUTES[2:]},
)
_label = st.builds(_element, st.just("Label"), st.fixed_dictionaries({"value": st.sampled_from(WORDS)}), st.just([]))
_control = st.builds(_element, st.sampled_from(TAGS), _attributes, st.lists(_label, max_size=2))
_group = st.builds(_element, st.sampled_from(TAGS), _attributes, st.lists(_control, max_size=3))
_tree = st.lists(_control | _group, max_size=4).map("".join)

SHAPE = Shape("tomato", 0.8, (10.0, 10.0, 14.5, 13.0), np.ones((3, 5), bool), (10, 10), {"length_px": 4.25, "n": 0.5})


def read_config(xml: str) -> None:
    """And what is read must do for a prediction that Label Studio can be sent."""
    config = parse_labelling_config(xml)
    names = {name: 1.5 for control in config.controls for name in [control.name]}
    items = regions([SHAPE], config, 64, 48, label_map={}, image_measures=names)
    json.dumps(items, allow_nan=False)


@st.composite
def brushes(draw: st.DrawFn) -> tuple[Any, int, int]:
    width, height = draw(st.sampled_from([(1, 1), (7, 3), (64, 48), (4000, 3000), (13_000, 13_000)]))
    side = min(width, height, 48)
    mask = np.random.default_rng(draw(st.integers(0, 5))).random((side, side)) > draw(st.sampled_from([0, 0.5, 0.9, 1]))
    rle = bytes(encode_brush(mask, (0, 0), width, height))
    match draw(st.integers(0, 5)):
        case 0:
            return list(rle), width, height
        case 1:
            body = draw(st.binary(max_size=200))
            return list((4 * width * height).to_bytes(4, "big") + body), width, height
        case 2:
            return draw(changed(list(rle[:12]))), width, height
        case 3:
            header = draw(st.binary(min_size=3, max_size=3))
            return list(rle[:4] + header + rle[7:]), width, height
        case _:
            return list(draw(torn(rle))), width, height


def small_brush() -> list[int]:
    """Of 64 x 48 pixels."""
    return encode_brush(np.random.default_rng(1).random((48, 64)) > 0.8, (0, 0), 64, 48)


def read_brush(case: tuple[Any, int, int]) -> None:
    mask, (x, y) = decode_brush(*case)
    assert mask.shape[0] + y <= case[2]
    assert mask.shape[1] + x <= case[1]


RESULTS = [recorded(f"annotation_{kind}")["result"] for kind in ("boxes", "masks", "polygons")]


def read_regions(result: Any) -> None:
    for region in decode_regions(result if isinstance(result, list) else [result]):
        repr(region)


def noise() -> tuple[list[int], int, int]:
    """Of 12 megapixels: nothing packs worse."""
    side_px = 3464
    return (
        encode_brush(np.random.default_rng(1).random((side_px, side_px)) > 0.5, (0, 0), side_px, side_px),
        side_px,
        side_px,
    )


def crossing_polygon(points: int) -> list[Any]:
    """From edge to edge of the largest photo and back, so many times."""
    corners = [[100 * (at % 2), 100 * (at % 4 < 2)] for at in range(points)]
    return [
        {"type": "polygonlabels", "original_width": 13_000, "original_height": 13_000, "value": {"points": corners}}
    ]


def flat_polygons() -> list[Any]:
    """Each as large as the photo, and with nothing in it."""
    value = {"points": [[0, 0], [100, 100], [0, 0]]}
    return [{"id": f"r{at}", "original_width": 13_000, "original_height": 13_000, "value": value} for at in range(1000)]


DOORS = [
    Door("labelling configuration", configs(), read_config, (LabellingConfigInvalid,)),
    Door("brush mask (RLE)", brushes(), read_brush, (TaskInvalid,), most_s=40, most_mib=512, extremes=(noise,)),
    Door(
        "drawn regions",
        st.sampled_from(RESULTS).flatmap(changed),
        read_regions,
        (TaskInvalid,),
        most_s=20,
        most_mib=1024,
        extremes=(lambda: crossing_polygon(550), lambda: crossing_polygon(100_000), flat_polygons),
    ),
]
