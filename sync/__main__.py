"""`python -m sync`: the sync worker as a process. Stops at SIGTERM after what it has in hand."""

import signal

from phenoloop.logs import configure_logs
from phenoloop.settings import read_settings
from sync.bootstrap import build_worker


def main() -> None:
    configure_logs()
    worker = build_worker(read_settings())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
