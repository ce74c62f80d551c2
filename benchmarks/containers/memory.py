"""The memory of a process and all that it started, as if nothing else ran on the machine."""

from collections import Counter
from contextlib import suppress

import psutil


def tree_bytes(pid: int) -> int:
    """Written pages, those shared after a fork counted once; and of each file that is mapped, its pages once.

    PSS itself would tell less for files that other programs on the machine have mapped, too, as they do torch's.
    """
    root = psutil.Process(pid)
    written, of_files = 0.0, Counter[str]()
    for process in [root, *root.children(recursive=True)]:
        of_process = Counter[str]()
        with suppress(psutil.NoSuchProcess):
            for area in process.memory_maps(grouped=False):
                if area.path.startswith("/"):
                    of_process[area.path] += area.rss - area.anonymous
                    written += area.anonymous
                else:
                    written += area.pss
        of_files |= of_process
    return int(written) + of_files.total()
