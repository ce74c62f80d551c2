from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sync.index import Entry, Index, State, decode_index, encode_index

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


@given(st.dictionaries(st.integers(0).map("annotations/{}".format), entries))
def test_an_index_survives_its_file(known: dict[str, Entry]) -> None:
    _, body = encode_index(Index(known))

    assert decode_index(body) == Index(known)


def test_an_index_is_named_by_its_content_and_not_by_its_order() -> None:
    one, other = Entry("a", "b", State.SKIPPED), Entry("c", "d", State.USABLE)

    assert encode_index(Index({"1": one, "2": other})) == encode_index(Index({"2": other, "1": one}))
    assert encode_index(Index({"1": one}))[0] != encode_index(Index({"1": other}))[0]
