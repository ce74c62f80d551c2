"""Our own signature is botocore's, and what goes wrong is what boto3 raises."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.chain.runtime import SignedRuntime, signed_headers

CALL: Any = {"EndpointName": "detector-1", "Body": b"{}", "ContentType": "application/json"}
texts = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=40)


@given(
    body=st.binary(max_size=200),
    token=st.none() | st.just("token+/="),
    attributes=texts,
    name=st.text("aA0-", min_size=1),
)
def test_a_signature_is_botocores(body: bytes, token: str | None, attributes: str, name: str) -> None:
    headers = {"Content-Type": "application/json", "X-Amzn-SageMaker-Custom-Attributes": attributes}
    path = f"/base/endpoints/{name}/invocations"
    at = datetime.now(UTC)

    ours = signed_headers("h:1", path, headers, body, ReadOnlyCredentials("key", "secret", token), "eu-central-1", at)

    request = AWSRequest("POST", f"http://h:1{path}", headers, body)
    signer = SigV4Auth(Credentials("key", "secret", token), "sagemaker", "eu-central-1")
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert ours["Authorization"].endswith(f"Signature={signature}")
    assert ours.get("X-Amz-Security-Token") == token


class Sagemaker(ThreadingHTTPServer):
    """Answers with what it was asked, unless it is given another answer."""

    daemon_threads = True
    answer: tuple[int, dict[str, str], bytes] | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body.decode()}).encode()
        status, headers, content = self.server.answer or (200, {}, told)  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sagemaker]:
    with Sagemaker(("127.0.0.1", 0), _Handler) as server:
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{server.server_port}/under")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield server
        server.shutdown()


def runtime() -> SignedRuntime:
    return SignedRuntime(boto3.client("sagemaker-runtime"))


def asked(client: Any) -> dict[str, Any]:
    return dict(json.loads(client.invoke_endpoint(**CALL, CustomAttributes="trace_id=7")["Body"].read()))


def test_a_call_arrives_as_boto3s_own_does(sagemaker: Sagemaker) -> None:
    ours, boto3s = asked(runtime()), asked(boto3.client("sagemaker-runtime"))

    assert (ours["path"], ours["body"]) == (boto3s["path"], boto3s["body"])
    for name in ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes", "Host"):
        assert ours["headers"].get(name) == boto3s["headers"].get(name, ours["headers"].get(name))
    assert "/eu-central-1/sagemaker/aws4_request" in ours["headers"]["Authorization"]


def test_a_proxy_is_asked_as_boto3_asks_it(sagemaker: Sagemaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{sagemaker.server_port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://runtime.example.org")

    assert asked(runtime())["path"] == "http://runtime.example.org/endpoints/detector-1/invocations"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (400, {"x-amzn-ErrorType": "ValidationError"}, b'{"message": "no such endpoint"}'),
        (424, {"x-amzn-ErrorType": "ModelError"},
         b'{"Message": "m", "OriginalStatusCode": 400, "OriginalMessage": "bad", "LogStreamArn": "a"}'),
        (503, {}, b"<html>"),
        (429, {"x-amzn-ErrorType": "ThrottlingException"}, b"{}"),
    ],
)  # fmt: skip
def test_a_refusal_is_raised_as_boto3_raises_it(
    sagemaker: Sagemaker, status: int, headers: dict[str, str], body: bytes
) -> None:
    sagemaker.answer = (status, headers, body)
    raised = []
    for client in (runtime(), boto3.client("sagemaker-runtime")):
        with pytest.raises(ClientError) as caught:
            client.invoke_endpoint(**CALL)
        response = {name: value for name, value in caught.value.response.items() if name != "ResponseMetadata"}
        raised.append(
            (type(caught.value).__name__, response, caught.value.response["ResponseMetadata"]["HTTPStatusCode"])
        )

    assert raised[0] == raised[1]


def test_nobody_there_is_botocores_error(monkeypatch: pytest.MonkeyPatch, sagemaker: Sagemaker) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:9")

    with pytest.raises(EndpointConnectionError):
        runtime().invoke_endpoint(**CALL)


def test_credentials_that_change_are_taken_as_they_are_now(sagemaker: Sagemaker) -> None:
    client = runtime()
    asked(client)
    client._client._request_signer._credentials = Credentials("renewed", "secret", "token")

    headers = asked(client)["headers"]

    assert "Credential=renewed/" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "token"


def test_without_credentials_the_call_says_so(sagemaker: Sagemaker) -> None:
    client = runtime()
    client._client._request_signer._credentials = None

    with pytest.raises(NoCredentialsError):
        client.invoke_endpoint(**CALL)
