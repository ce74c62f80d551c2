import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.gzipped import MAX_LINE_BYTES
from sync.index import Entry, Index, State, decode_index, decode_index_about, encode_index
from sync.shards import rewritten

entries = st.builds(
    Entry,
    etag=st.text(),
    content_hash=st.text(),
    state=st.sampled_from(State),
    reason=st.text(),
    project_id=st.none() | st.integers(1),
    task_id=st.none() | st.integers(1),
    updated_at=st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),  # bounds are naive
    ground_truth=st.booleans(),
    photo=st.text(),
    split=st.sampled_from(["train", "validation", "test"]),
    regions=st.integers(0),
    labels=st.lists(st.text()).map(tuple),
)


keys = st.integers(0, 10**15).map("annotations/{}".format)


@given(st.dictionaries(keys, entries))
def test_an_index_survives_its_file(known: dict[str, Entry]) -> None:
    _, body = encode_index(Index(known))

    assert decode_index(body) == Index(known)


@settings(max_examples=30)
@given(st.dictionaries(keys, entries, max_size=6), keys)
def test_what_an_index_knows_of_one_annotation_is_the_same_without_decoding_the_others(
    known: dict[str, Entry], other: str
) -> None:
    index = Index(known)
    for key in [*known, other]:
        about = decode_index_about(encode_index(index)[1], key)
        assert about.entries.get(key) == known.get(key)
        if key in known and known[key].photo:
            assert about.winners.get(known[key].photo) == index.winners.get(known[key].photo)


def test_an_index_is_named_by_its_content_and_not_by_its_order() -> None:
    one, other = Entry("a", "b", State.SKIPPED), Entry("c", "d", State.USABLE)

    assert encode_index(Index({"1": one, "2": other})) == encode_index(Index({"2": other, "1": one}))
    assert encode_index(Index({"1": one}))[0] != encode_index(Index({"1": other}))[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        encode_index(Index({"1": Entry("a", "b", State.SKIPPED)}))[1][:-12],
        gzip.compress(b" " * (MAX_LINE_BYTES + 1)),
        gzip.compress(b"[" * 1000),
        encode_index(Index({"notes.txt": Entry("a", "b", State.USABLE)}))[1],
        encode_index(Index({"9" * 5000: Entry("a", "b", State.USABLE)}))[1],
    ],
    ids=["empty", "no gzip", "torn", "a bomb", "no entry", "no annotation", "no annotation's number"],
)
def test_what_is_no_index_is_told_so(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
        decode_index(body)


@pytest.mark.parametrize("line", [b"[]", b"{}", b"3", b"[" * 100_000, b'{"photo"'])
def test_what_is_no_shard_is_told_so(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        rewritten(gzip.compress(line + b"\n"), (), ["s3://b/a.jpg"], lambda photo: b"{}\n")
