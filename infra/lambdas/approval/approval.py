"""Queues that a model package was made, approved or rejected. What follows from it, sync does."""

import json
import os
from typing import Any

import boto3


def handler(event: dict[str, Any], _: object) -> dict[str, str]:
    """Send the event on as it is; sync reads it. An error has Lambda try again, then move it to the dead letters."""
    sent = boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(event))
    return {"queued": sent["MessageId"]}
