"""The policies at work: the embedded S3 and SQS with IAM switched on, and each program under its own policy."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from string import Template
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.processes import Supervisor
from phenoloop.local_aws.provision import provision
from phenoloop.local_aws.sagemaker.containers import free_port
from phenoloop.local_aws.services import CREDENTIALS, ministack
from phenoloop.settings import StorageSettings

pytestmark = pytest.mark.integration

BUCKET, QUEUE = "photos-of-ours", "annotations-of-ours"
PLACES = {"bucket": BUCKET, "queue": QUEUE, "account": "000000000000", "region": "us-east-1", "role": "jobs"}

Clients = Callable[[str], Any]
"""By service."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("iam"), free_port()
    service = ministack(folder, port)
    supervisor = Supervisor(folder / "logs")
    supervisor.start(dataclasses.replace(service, environment={**service.environment, "AUTH": "true"}))
    try:
        supervisor.wait_until_ready("ministack")
        yield f"http://127.0.0.1:{port}"
    finally:
        supervisor.stop()


def clients(url: str, key: str, secret: str) -> Clients:
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
    return lambda name: session.client(name, endpoint_url=url)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def root(url: str) -> Clients:
    """Its bucket and queue are made, one photo, one annotation and one release lie there."""
    made = clients(url, CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    s3 = made("s3")
    provision(s3, made("sqs"), made("events"), storage=StorageSettings(bucket=BUCKET), queue=QUEUE)
    s3.create_bucket(Bucket="of-others")
    for bucket, key in ((BUCKET, "images/1.jpg"), (BUCKET, "annotations/1"), (BUCKET, "releases/live.json")):
        s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    s3.put_object(Bucket="of-others", Key="images/1.jpg", Body=b"private")
    return made


@pytest.fixture(scope="module")
def under(url: str, root: Clients) -> Callable[[str], Clients]:
    """Clients that may do what a policy of `infra/iam` allows."""

    def user(policy: str) -> Clients:
        iam, text = root("iam"), (REPOSITORY / "infra" / "iam" / f"{policy}.json").read_text()
        iam.create_user(UserName=policy)
        iam.put_user_policy(
            UserName=policy, PolicyName=policy, PolicyDocument=json.dumps(json.loads(Template(text).substitute(PLACES)))
        )
        key = iam.create_access_key(UserName=policy)["AccessKey"]
        return clients(url, key["AccessKeyId"], key["SecretAccessKey"])

    return user


def refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return False


def test_the_backend_reads_photos_and_releases_and_changes_nothing(under: Callable[[str], Clients]) -> None:
    s3 = under("backend")("s3")
    for key in ("images/1.jpg", "releases/live.json"):
        s3.get_object(Bucket=BUCKET, Key=key)
    assert refused(lambda: s3.get_object(Bucket=BUCKET, Key="annotations/1"))
    assert refused(lambda: s3.get_object(Bucket="of-others", Key="images/1.jpg"))
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="releases/live.json", Body=b"{}"))
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="images/1.jpg", Body=b""))
    assert refused(lambda: s3.delete_object(Bucket=BUCKET, Key="images/1.jpg"))
    assert refused(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="images/"))


def test_sync_hears_events_and_writes_all_but_photos_and_annotations(
    root: Clients, under: Callable[[str], Clients]
) -> None:
    mine = under("sync")
    s3, sqs = mine("s3"), mine("sqs")
    s3.head_bucket(Bucket=BUCKET)
    for prefix in ("annotations/", "images", "releases/", "runs/"):
        s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    for key in ("snapshots/a/snapshot.json", "runs/a.json", "releases/a.json", "loc360/manifest.json"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}", IfNoneMatch="*")
        s3.get_object(Bucket=BUCKET, Key=key)
    queue_url = root("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]
    (message, *_) = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=5)["Messages"]
    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    assert refused(lambda: sqs.send_message(QueueUrl=queue_url, MessageBody="{}"))
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="annotations/1", Body=b"{}"))
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="images/1.jpg", Body=b""))
    assert refused(lambda: s3.delete_object(Bucket=BUCKET, Key="runs/a.json"))
    assert refused(lambda: s3.list_objects_v2(Bucket="of-others", Prefix="images/"))


def test_label_studio_reads_photos_and_writes_and_deletes_annotations(under: Callable[[str], Clients]) -> None:
    s3 = under("label-studio")("s3")
    for prefix in ("annotations", "images"):  # as it checks the storages that `connect` adds
        s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix, MaxKeys=1)
    s3.list_objects_v2(Bucket=BUCKET, Prefix="images/")
    s3.get_object(Bucket=BUCKET, Key="images/1.jpg")
    s3.put_object(Bucket=BUCKET, Key="annotations/2", Body=b"{}")
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="images/1.jpg", Body=b""))
    assert refused(lambda: s3.get_object(Bucket=BUCKET, Key="releases/live.json"))
    assert refused(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="releases/"))
    s3.delete_object(Bucket=BUCKET, Key="annotations/2")  # as its storage is told to, when someone deletes one
    assert refused(lambda: s3.delete_object(Bucket=BUCKET, Key="images/1.jpg"))


def test_the_jobs_write_only_what_runs_make(under: Callable[[str], Clients]) -> None:
    s3 = under("sagemaker")("s3")
    s3.get_object(Bucket=BUCKET, Key="images/1.jpg")
    for key in ("runs/a/model.tar.gz", "cache/photos/a.jpg"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
        s3.get_object(Bucket=BUCKET, Key=key)
    assert refused(lambda: s3.put_object(Bucket=BUCKET, Key="releases/live.json", Body=b"{}"))
    assert refused(lambda: s3.get_object(Bucket=BUCKET, Key="annotations/1"))
