"""The C library's allocator, for a process that computes the same again and again."""

import ctypes
import gc

_OPTIONS = {"trim_threshold": (-1, 32 * 2**20), "mmap_threshold": (-3, 4 * 2**20), "arena_max": (-8, 1)}
"""Numbers and values of glibc's `mallopt` (malloc.h)."""


def keep_freed_memory() -> None:
    """What one call of the model frees the next one gets, in whichever thread it runs.

    Given back, it would have to be zeroed by the kernel each time: a sixth of the segmenter's. Of another C library
    nothing is asked.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, value in _OPTIONS.values():
            library.mallopt(option, value)


def give_back_what_is_free() -> None:
    """Once: what it took to load the model is not needed again."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        gc.collect()
        library.malloc_trim(0)
