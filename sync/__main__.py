"""`python -m sync`: the sync worker as a process. Stops at SIGTERM after what it has in hand."""

import signal

from phenoloop.checks import Check
from phenoloop.door import Door, open_door
from phenoloop.logs import configure_logs
from phenoloop.settings import Settings, read_settings
from sync.bootstrap import build_worker
from sync.console.bootstrap import build_console
from sync.worker import SyncWorker


def main() -> None:
    configure_logs()
    settings = read_settings()
    worker = build_worker(settings)
    open_door(settings.monitoring, _door(settings, worker))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


def _door(settings: Settings, worker: SyncWorker) -> Door:
    queue = Check("SQS", worker.waiting, every_s=15.0, stale_s=90.0).start()

    def problems() -> list[str]:
        return [*worker.problems(), *filter(None, [queue.problem])]

    worker.metrics.at_scrape("phenoloop_events_queued", "Messages in the queue.", "state", lambda: queue.answer or {})
    worker.metrics.show_ready(problems)
    return Door(worker.metrics, problems, worker.stuck, build_console(settings, worker))


if __name__ == "__main__":
    main()
