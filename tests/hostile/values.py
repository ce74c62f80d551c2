"""Hostile JSON: documents of the right shape with some parts gone wrong, torn ones, and plain rubbish."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

DEEP, MANY_DIGITS = "@deep@", "@many digits@"
"""Stand for what `json.dumps` can't write: 100,000 nested lists, a number of 5,000 digits."""

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 255, 256, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 5e-324, 1e-320, 1e15, 1e308,
    float("nan"), float("inf"), float("-inf"), MANY_DIGITS,
    "", " ", "0", "1e999", "nan", "x" * 70_000, "\x00", "a\nb", "\ud800", "\u202e\U0001f955", "%ff%00+", "9" * 5000,
    "../../etc/passwd", "s3://phenoloop/images/a.jpg", "s3://evil/a.jpg", "s3://", "http://127.0.0.1/",
    "2026-03-01T00:00:00Z",
    [], {}, [[]], [None], [{}], {"": None}, {"a": {"a": {"a": []}}}, [0] * 10_000, DEEP,
]  # fmt: skip
FACTORS, SHIFTS = [1, 1, -1, 0, 0.5, 1e-9, 1e6], [0, 1, -1, 0.25, 1e-12, 4000]

anything = st.recursive(
    st.sampled_from(VALUES) | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def hostile_json(*documents: Any) -> st.SearchStrategy[bytes]:
    """Mostly one of the documents with some parts changed; the rest torn, or anything at all."""
    written = [written_json(document) for document in documents]
    changed_ones = st.sampled_from(documents).flatmap(changed).map(written_json)
    return st.one_of(
        changed_ones, changed_ones, changed_ones, changed_ones, changed_ones, changed_ones,
        st.sampled_from(written).flatmap(torn), anything.map(written_json), st.binary(max_size=200),
    )  # fmt: skip


def written_json(value: Any) -> bytes:
    text = json.dumps(value)
    text = text.replace(f'"{DEEP}"', "[" * 100_000 + "]" * 100_000).replace(f'"{MANY_DIGITS}"', "7" * 5000)
    return text.encode()


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """One to three parts replaced, left out, doubled, wrapped, or joined by a stranger."""
    holder = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(holder))
        parent, name = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.integers(0, 9)):
            case 0:
                del parent[name]
            case 1 if isinstance(parent, list):
                parent.insert(name, copy.deepcopy(parent[name]))
            case 1:
                parent[draw(st.sampled_from(["", "x", "error", "rle", "points"]))] = copy.deepcopy(parent[name])
            case 2:
                parent[name] = [parent[name]]
            case 3:
                parent[name] = str(parent[name])
            case 4:
                parent[name] = copy.deepcopy(draw(anything))
            case 5 | 6 if isinstance(parent[name], int | float) and abs(parent[name]) < 1e300:
                parent[name] = parent[name] * draw(st.sampled_from(FACTORS)) + draw(st.sampled_from(SHIFTS))
            case _:
                parent[name] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        if not holder:
            return None
    return holder[0]


@st.composite
def torn(draw: st.DrawFn, body: bytes) -> bytes:
    """Cut short, a byte changed, or a stretch doubled."""
    at = draw(st.integers(0, max(0, len(body) - 1)))
    match draw(st.integers(0, 2)):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
        case _:
            end = draw(st.integers(at, len(body)))
            return body[:end] + body[at:]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each part as (what holds it, its name there); of a long list the first few."""
    names = list(value) if isinstance(value, dict) else range(min(len(value), 6)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from _places(value[name])
