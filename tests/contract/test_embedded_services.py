"""The embedded AWS services answer whoever reaches their port, so there must be nothing to gain from them."""

import io
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

HANDLER = """
import pathlib

def run(event, context):
    pathlib.Path({marker!r}).touch()
"""


def test_no_code_that_is_put_there_is_run(embedded_url: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    client = boto3.client(
        "lambda",
        endpoint_url=embedded_url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    client.create_function(
        FunctionName="touch",
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="code.run",
        Code={"ZipFile": zipped({"code.py": HANDLER.format(marker=str(marker))})},
    )
    assert refused(client, "touch")
    assert not marker.exists()


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def refused(client: Any, function: str) -> bool:
    try:
        client.get_waiter("function_active_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        return "FunctionError" in client.invoke(FunctionName=function, Payload=b"{}")
    except ClientError:
        return True
