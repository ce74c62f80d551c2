"""Requests to Label Studio: credentials, retries, errors."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from urllib3.exceptions import HTTPError

from phenoloop.deadlines import require_time, time_limit
from phenoloop.errors import LabelStudioRefused, LabelStudioUnavailable
from phenoloop.retries import retried

Answer = TypeVar("Answer")

_RETRYABLE_STATUS = frozenset({408, 425, 429})
_CONNECT_TIMEOUT_S = 5.0
_CHUNK_BYTES = 256 * 1024
_LARGEST_ANSWER_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes

    @property
    def retry_after_s(self) -> float:
        """0 if it does not ask for a pause, or names a date."""
        said = self.headers.get("Retry-After", "").strip()
        return float(said) if said.isascii() and said.isdecimal() else 0.0


class Http:
    """JSON to and from one Label Studio. An answer is there to its last byte within `timeout_s`, or it is none.

    A legacy token is sent as it is. A personal access token is a JWT that buys access tokens of five minutes; a new one
    is bought when the old is refused. Tokens and bodies never reach a log or an error.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float, attempts: int) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._session = requests.Session()
        self._is_personal = token.count(".") == 2
        self._access_token = ""
        self._refreshing = threading.Lock()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return self._repeated("GET", path, parameters=parameters)

    def find(self, path: str) -> dict[str, Any] | None:
        """None if there is no such thing."""
        return unless_gone(lambda: dict(self.get(path)))

    def patch(self, path: str, body: object) -> Any:
        return self._repeated("PATCH", path, body=body)

    def delete(self, path: str, body: object = None) -> Any:
        return self._repeated("DELETE", path, body=body)

    def post(self, path: str, body: object, *, repeatable: bool = False) -> Any:
        """Tried again only if `repeatable`: a lost answer may mean that the thing was made."""
        return self._repeated("POST", path, body=body, attempts=self._attempts if repeatable else 1)

    def _repeated(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: object = None,
        attempts: int | None = None,
    ) -> Any:
        for attempt in retried(attempts or self._attempts):
            with attempt:
                return self._once(method, path, parameters, body)
        raise AssertionError("unreachable")  # the last attempt raises

    def _once(self, method: str, path: str, parameters: Mapping[str, Any] | None, body: object) -> Any:
        used = self._access_token
        reply = self._send(method, path, parameters, body, self._authorization())
        if reply.status == 401 and self._is_personal:
            self._refresh(used)
            reply = self._send(method, path, parameters, body, self._authorization())
        return _answer(reply, path)

    def _authorization(self) -> str:
        if not self._is_personal:
            return f"Token {self._token}"
        if not self._access_token:
            self._refresh("")
        return f"Bearer {self._access_token}"

    def _refresh(self, refused_token: str) -> None:
        with self._refreshing:
            if self._access_token == refused_token:  # else another thread has bought a new one
                path = "/api/token/refresh/"
                reply = self._send("POST", path, None, {"refresh": self._token}, None)
                self._access_token = str(_answer(reply, path)["access"])

    def _send(
        self, method: str, path: str, parameters: Mapping[str, Any] | None, body: object, authorization: str | None
    ) -> _Reply:
        headers = {"Authorization": authorization} if authorization else {}

        def problem(name: str) -> LabelStudioUnavailable:
            return LabelStudioUnavailable("Label Studio did not answer.", url=self._url, path=path, problem=name)

        try:
            with (
                time_limit(self._timeout_s, otherwise=lambda: problem("too slow")),
                self._session.request(
                    method,
                    self._url + path,
                    params=parameters,
                    json=body,
                    headers=headers,
                    timeout=(min(_CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s),  # of any silence
                    stream=True,
                    allow_redirects=False,  # tokens go where the settings say and nowhere else
                ) as response,
            ):
                return _Reply(response.status_code, response.headers, _body(response))
        except (requests.RequestException, HTTPError) as error:
            raise problem(type(error).__name__) from error


def unless_gone(ask: Callable[[], Answer]) -> Answer | None:
    """Label Studio's answer; None if there is no such thing, or no longer."""
    try:
        return ask()
    except LabelStudioRefused as error:
        if error.facts.get("status") == 404:
            return None
        raise


def _body(response: requests.Response) -> bytes:
    """As it comes: a whole chunk of a body that trickles takes hours. Raises TimeOver, LabelStudioRefused."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise LabelStudioRefused("The answer is too large.", cure="Does the URL name a Label Studio?")
        require_time()
    return bytes(body)


def _answer(reply: _Reply, path: str) -> Any:
    status = reply.status
    if status >= 500 or status in _RETRYABLE_STATUS:
        raise LabelStudioUnavailable(
            "Label Studio failed.", path=path, status=status, retry_after_s=reply.retry_after_s
        )
    if 300 <= status < 400:
        raise LabelStudioRefused(
            "Label Studio points elsewhere.",
            cure="Set PHENOLOOP_LABEL_STUDIO__URL to its own address; is it https?",
            path=path,
            status=status,
        )
    if status >= 400:
        cure = "Check the token." if status in {401, 403} else ""
        raise LabelStudioRefused(
            "Label Studio refused the request.", cure=cure, path=path, status=status, reason=_reason(reply)
        )
    return _json(reply, path) if reply.body else None


def _json(reply: _Reply, path: str) -> Any:
    """Raises LabelStudioUnavailable if it is broken JSON, LabelStudioRefused if it never was any."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        if "json" in reply.headers.get("Content-Type", ""):
            raise LabelStudioUnavailable("The answer is broken JSON.", path=path, status=reply.status) from error
        raise LabelStudioRefused(
            "The answer is no JSON.", cure="Does the URL name a Label Studio?", path=path, status=reply.status
        ) from error


def _reason(reply: _Reply) -> str:
    """Label Studio's own words, cut short."""
    try:
        answer = json.loads(reply.body)
        return str(answer.get("validation_errors") or answer.get("detail") or "")[:800]
    except (ValueError, AttributeError, RecursionError):
        return ""
