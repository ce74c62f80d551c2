"""`python -m sync`: the sync worker as a process. Stops at SIGTERM after the message in hand."""

import signal

import boto3
from botocore.config import Config

from phenoloop.logs import configure_logs
from phenoloop.settings import read_settings
from sync.worker import SyncWorker


def main() -> None:
    configure_logs()
    settings = read_settings()
    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=30)
    worker = SyncWorker(
        boto3.client("sqs", config=config), boto3.client("s3", config=config), settings.queue_url, settings.storage
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
