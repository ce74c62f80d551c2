"""`python -m benchmarks.bucket.build`: one snapshot by a process of its own; writes JSON of its time and memory."""

import json
import resource
import sys
import time

import boto3

from benchmarks.bucket.loop import STORAGE, only_warnings, snapshots
from sync.bootstrap import PATIENCE
from sync.catalogue import Catalogue
from sync.quick_s3 import quick


def main() -> None:
    only_warnings()
    s3 = quick(boto3.client("s3", config=PATIENCE))
    store, started_s = snapshots(s3), time.monotonic()
    snapshot = store.build(Catalogue.listed(s3, STORAGE.bucket, STORAGE.annotations_prefix))
    told = {
        "name": snapshot.name,
        "photos": sum(snapshot.photos.values()),
        "seconds": time.monotonic() - started_s,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
