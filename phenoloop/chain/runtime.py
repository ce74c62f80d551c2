# ruff: noqa: N803  # the names are boto3's
"""InvokeEndpoint at half the processor's time of boto3's own: signed here, sent by the boto3 client's connections.

What boto3 does around a call (hooks, validation, endpoint rules, parsing) is a third of a millisecond, a dozen times a
photo. Region, address, credentials and their renewal, proxies, certificates and time-outs are the client's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.credentials import ReadOnlyCredentials
from botocore.endpoint import convert_to_response_dict
from botocore.exceptions import NoCredentialsError
from botocore.parsers import create_parser
from botocore.response import StreamingBody

if TYPE_CHECKING:
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient

_SERVICE = "sagemaker"
"""As signatures name it."""
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class Runtime(Protocol):
    """What is needed of boto3's `sagemaker-runtime` client."""

    def invoke_endpoint(
        self,
        *,
        EndpointName: str,
        Body: bytes,
        ContentType: str,
        Accept: str = ...,
        CustomAttributes: str = ...,
    ) -> Mapping[str, Any]:
        """`Body` is the reply's stream. Raises botocore's errors."""


class SignedRuntime:
    """`invoke_endpoint` as the client has it, for one endpoint that is named."""

    def __init__(self, client: SageMakerRuntimeClient) -> None:
        self.meta: Any = client.meta
        self._client: Any = client
        self._address = urlsplit(client.meta.endpoint_url)

    def invoke_endpoint(
        self,
        *,
        EndpointName: str,
        Body: bytes,
        ContentType: str,
        Accept: str = "*/*",
        CustomAttributes: str = "",
    ) -> Mapping[str, Any]:
        path = f"{self._address.path.rstrip('/')}/endpoints/{quote(EndpointName, safe='')}/invocations"
        headers = {"Content-Type": ContentType, **({_ATTRIBUTES: CustomAttributes} if CustomAttributes else {})}
        signed = signed_headers(
            self._address.netloc, path, headers, Body, self._credentials(), self.meta.region_name, datetime.now(UTC)
        )
        own = {"Accept": Accept, "User-Agent": self.meta.config.user_agent, "Content-Length": str(len(Body))}
        all_headers: Any = signed | own
        url = f"{self._address.scheme}://{self._address.netloc}{path}"
        request = AWSPreparedRequest("POST", url, all_headers, Body, stream_output=True)
        response: AWSResponse = self._client._endpoint.http_session.send(request)  # noqa: SLF001  # its connections
        if response.status_code >= 300:
            raise self._refusal(response)
        length: Any = response.headers.get("content-length")  # None if it comes in chunks
        return {"Body": StreamingBody(response.raw, length)}

    def _credentials(self) -> ReadOnlyCredentials:
        """As they are now: a role's are renewed before they end."""
        credentials = self._client._request_signer._credentials  # noqa: SLF001  # the chain that the client found
        if credentials is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        return frozen

    def _refusal(self, response: AWSResponse) -> Exception:
        """What the client would raise."""
        service = self.meta.service_model
        operation = service.operation_model("InvokeEndpoint")
        answer, parser = convert_to_response_dict(response, operation), create_parser(service.resolved_protocol)
        parsed = parser.parse(answer, operation.output_shape)
        code = parsed.get("Error", {}).get("Code", "")
        if (shape := service.shape_for_error_code(code)) is not None:
            parsed.update(parser.parse(answer, shape))
        error: Exception = self._client.exceptions.from_code(code)(parsed, operation.name)
        return error


def signed_headers(
    host: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: ReadOnlyCredentials,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """The headers of a POST without a query, with its Signature Version 4: all of them are signed.

    <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. `path` is quoted.
    """
    at = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{region}/{_SERVICE}/aws4_request"
    all_headers = {**headers, "Host": host, "X-Amz-Date": at}
    if credentials.token:
        all_headers["X-Amz-Security-Token"] = credentials.token
    canonical = sorted((name.lower(), " ".join(value.split())) for name, value in all_headers.items())
    names = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical)
    request = f"POST\n{quote(path)}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = _hmac(_signing_key(credentials.secret_key, scope), to_sign).hex()
    all_headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return all_headers


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, scope: str) -> bytes:
    """Of a day."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    """Not `hmac.digest`, which lets go of the interpreter: among busy threads it takes milliseconds to get it back."""
    return hmac.new(key, text.encode(), "sha256").digest()
