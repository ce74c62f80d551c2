"""What people read in a training job's log, beside the lines of JSON that programs read."""

import sys


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # the job's log takes both streams
