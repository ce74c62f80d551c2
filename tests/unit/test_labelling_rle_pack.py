import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk.converter.brush import decode_rle, encode_rle

from phenoloop.labelling.rle_pack import Packer, unpacked

lengths = st.one_of(st.integers(2, 20), st.integers(2, 300), st.integers(65_530, 65_545), st.integers(2, 200_000))
run_lists = st.lists(st.tuples(lengths, st.integers(0, 255)), min_size=1, max_size=30)


def packed(runs, lot_sizes):
    """Added in lots of those sizes, then the rest."""
    packer, (counts, values) = Packer(sum(length for length, _ in runs)), np.array(runs).reshape(-1, 2).T
    for size in lot_sizes:
        packer.add(counts[:size], values[:size])
        counts, values = counts[size:], values[size:]
    packer.add(counts, values)
    return packer.finish()


def words_of(lots):
    return np.concatenate([np.repeat(values, counts) for counts, values in lots])


@settings(deadline=None, max_examples=50)
@given(runs=run_lists, lot_sizes=st.lists(st.integers(0, 8), max_size=5))
def test_runs_are_packed_as_the_sdk_packs_them_in_whatever_lots_they_come(runs, lot_sizes):
    runs = [(length, value ^ (index % 2) * 255) for index, (length, value) in enumerate(runs)]
    merged = [run for run, after in zip(runs, [*runs[1:], (0, -1)], strict=True) if run[1] != after[1]]

    assert packed(merged, lot_sizes) == encode_rle(np.repeat(*np.array(merged).T[::-1]).astype(np.uint8))


@settings(deadline=None, max_examples=50)
@given(runs=run_lists)
def test_packed_runs_come_back_word_for_word(runs):
    rle = packed(runs, [])

    words = words_of(unpacked(rle, sum(length for length, _ in runs)))

    assert np.array_equal(words, decode_rle(rle))


def test_what_follows_the_last_word_is_not_asked_for():
    runs = [(100, 7), (100, 8)]

    words = words_of(unpacked([*packed(runs, []), *[255] * 40], 200))

    assert words[:200].tolist() == [7] * 100 + [8] * 100


@pytest.mark.parametrize("cut", [0, 5, 7, 8, 1000, 20_000])
def test_bytes_that_end_too_soon_are_refused(cut):
    rle = packed([(2, value % 256) for value in range(20_000)], [])

    with pytest.raises(ValueError, match=r"cut off|not the bytes"):
        list(unpacked(rle[:cut], 40_000))
