"""rle-pack, the bytes of Label Studio's brush masks, both ways and many runs at once.

Format: <https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack>: a number of words, the word size, four run
sizes, then runs: one bit (one word repeated, or words as they are), two bits (which run size), the length less one, the
words. Packing writes the very bytes of `label_studio_sdk.converter.brush`, unpacking reads what that reads. All of a
lot is done together, in memory that the lots' sizes bound; only where runs begin is told by one run after the other.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Runs = tuple[NDArray[np.int64], NDArray[np.integer]]
"""How many words each run has, and which word (0 to 255)."""

_WORD_BITS = 8
_FORM_BITS = 3  # of a run: is one word repeated, and which of the run sizes
_RUN_BITS = (3, 4, 8, 16)
_LONGEST_RUN = 1 << _RUN_BITS[-1]
_HEADER = int(f"{_WORD_BITS - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in _RUN_BITS), 2)
_HEADER_BITS = 5 + 4 * len(_RUN_BITS)
_COUNT_BITS = 32

_PACKED_AT_ONCE = 1 << 19
_BYTES_AT_ONCE = 1 << 14
_MOST_BYTES = _LONGEST_RUN + 4  # of one run


class Packer:
    """The bytes of runs that are added one lot after the other."""

    def __init__(self, words: int) -> None:
        self._bytes: list[int] = []
        self._lot = bytearray(words.to_bytes(_COUNT_BITS // 8))
        self._word, self._bits = _HEADER << (32 - _HEADER_BITS), _HEADER_BITS  # begun: of its 32 bits so many are set

    def add(self, lengths: NDArray[np.int64], values: NDArray[np.integer]) -> None:
        """Runs of a word or more, all as a word repeated; one that is too long becomes several."""
        if not lengths.size:
            return
        form = np.searchsorted([1 << bits for bits in _RUN_BITS[:-1]], lengths)
        pieces = (lengths - 1 >> _RUN_BITS[-1]) + 1
        if len(pieces) < (ends := np.cumsum(pieces))[-1]:
            rest = (lengths - 1) % _LONGEST_RUN + 1
            form, values, lengths = np.repeat(form, pieces), np.repeat(values, pieces), np.full(ends[-1], _LONGEST_RUN)
            lengths[ends - 1] = rest  # of a long run keeps the longest form, as with the SDK
        run_bits = np.array(_RUN_BITS)[form]
        codes = ((0b100 | form) << run_bits | lengths - 1) << _WORD_BITS | values
        self._write(codes, _FORM_BITS + run_bits + _WORD_BITS)

    def finish(self) -> list[int]:
        """All bytes. As with the SDK a zero bit ends them, and zeros fill the last. Nothing can be added any more."""
        self._lot += self._word.to_bytes(4)[: self._bits // 8 + 1]
        self._bytes += self._lot
        return self._bytes

    def _write(self, codes: NDArray[np.int64], widths: NDArray[np.int64]) -> None:
        """Each code lies in one word of 32 bits and perhaps the next; codes share no bit, so that words are sums."""
        ends = self._bits + np.cumsum(widths)
        starts = ends - widths
        at, placed = starts >> 5, codes.astype(np.uint64) << (64 - widths - (starts & 31)).astype(np.uint64)
        full, bits = divmod(int(ends[-1]), 32)
        words = np.zeros(full + 2, np.uint64)
        words[0] = self._word
        np.add.at(words, at, placed >> 32)
        np.add.at(words, at + 1, placed & 0xFFFFFFFF)
        self._lot += words[:full].astype(">u4").tobytes()
        if len(self._lot) > _PACKED_AT_ONCE:  # a list takes eight times the memory, and grows slowly
            self._bytes += self._lot
            self._lot.clear()
        self._word, self._bits = int(words[full]), bits


def unpacked(rle: Sequence[int], words: int) -> Iterator[Runs]:
    """The runs of so many words, some at once; the last may go on beyond. Words as they are come as runs of one.

    Raises ValueError or TypeError if the bytes are none of so many words of 8 bits.
    """
    header = int.from_bytes(bytes(rle[: (_COUNT_BITS + _HEADER_BITS + 7) // 8])) >> 3
    sizes = tuple((header >> shift & 15) + 1 for shift in (12, 8, 4, 0))
    if header >> _HEADER_BITS != words or (header >> 16 & 31) + 1 != _WORD_BITS:
        raise ValueError("not the bytes of so many words")
    at = _COUNT_BITS + _HEADER_BITS
    while words > 0:
        for length in (_BYTES_AT_ONCE, _MOST_BYTES):
            lot = bytes(rle[at // 8 : at // 8 + length])
            starts, end = _starts(lot, at % 8, sizes)
            if len(starts):
                break
        else:
            raise ValueError("cut off")
        lengths, values = _runs(lot, starts, np.array(sizes))
        words -= int(lengths.sum())
        yield lengths, values
        at += end - at % 8


def _starts(lot: bytes, at: int, sizes: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
    """The bits at which the runs begin that lie in the lot as a whole, and the bit after them.

    Where a run ends, most runs tell in their first byte: it is looked up for a run that began at any bit.
    """
    first_bytes = np.unpackbits(np.frombuffer(lot + bytes(1), np.uint8))
    for bits in (1, 2, 4):
        first_bytes = first_bytes[:-bits] << np.uint8(bits) | first_bytes[bits:]
    widths = first_bytes.tobytes().translate(_widths(sizes))
    begun, end = at, 8 * len(lot)
    is_start = bytearray(end)
    while at < end:
        is_start[at] = True
        begun, at = at, at + (widths[at] or _width(lot, at, sizes))
    if at > end:
        is_start[begun] = False
        at = begun
    return np.flatnonzero(np.frombuffer(is_start, np.bool_)), at


@lru_cache(maxsize=16)
def _widths(sizes: tuple[int, ...]) -> bytes:
    """By a run's first byte, where that tells it, else 0."""
    told = (_width(bytes([byte, 255, 255]), 0, sizes) for byte in range(256))
    return bytes(width if width == _width(bytes([byte]), 0, sizes) < 256 else 0 for byte, width in enumerate(told))


def _width(lot: bytes, at: int, sizes: tuple[int, ...]) -> int:
    """Of the run that begins at that bit; of one that is cut off more than is left."""
    head = int.from_bytes(lot[at // 8 : at // 8 + 4].ljust(4, b"\0")) << at % 8 & 0xFFFFFFFF
    size = sizes[head >> 29 & 3]
    words = 1 if head >> 31 else ((head << _FORM_BITS & 0xFFFFFFFF) >> (32 - size)) + 1
    return _FORM_BITS + size + _WORD_BITS * words


def _runs(lot: bytes, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Runs:
    form = _bits_at(lot, starts, 3)
    size = sizes[form & 3]
    lengths = _bits_at(lot, starts + _FORM_BITS, size) + 1
    word_at = starts + _FORM_BITS + size
    if form.min() < 4:  # some are words as they are
        pieces = np.where(form < 4, lengths, 1)
        first = np.repeat(np.cumsum(pieces) - pieces, pieces)
        word_at = np.repeat(word_at, pieces) + _WORD_BITS * (np.arange(len(first)) - first)
        lengths = np.repeat(np.where(form < 4, 1, lengths), pieces)
    return lengths, _bits_at(lot, word_at, _WORD_BITS)


def _bits_at(lot: bytes, at: NDArray[np.int64], bits: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """The numbers of so many bits, at most 16, that begin at those bits."""
    windows: NDArray[np.uint32] = np.ndarray(len(lot), ">u4", lot + bytes(3), strides=(1,))  # from each byte on
    numbers: NDArray[np.int64] = (windows[at >> 3] << (at & 7) & 0xFFFFFFFF) >> (32 - bits)
    return numbers
