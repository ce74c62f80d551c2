"""`python -m ml_backend.worker`: works off the pre-labelling jobs.

Jobs run in this process, one after another, each in parallel over its tasks: a fork for each job would lose the thread
that follows the live release, and would load everything anew.
"""

from redis import Redis
from rq import Queue, SimpleWorker

from phenoloop.jobs import QUEUE
from phenoloop.logs import configure_logs
from phenoloop.settings import read_settings


def main() -> None:
    """Runs until SIGINT or SIGTERM; the job at hand is finished first. Raises SettingsInvalid."""
    configure_logs()
    connection = Redis.from_url(read_settings().redis_url)
    SimpleWorker([Queue(QUEUE, connection=connection)], connection=connection).work(
        with_scheduler=True, logging_level="WARNING"
    )


if __name__ == "__main__":
    main()
