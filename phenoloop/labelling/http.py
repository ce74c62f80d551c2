"""Requests to Label Studio: credentials, retries, errors."""

import threading
from collections.abc import Mapping
from typing import Any

import requests
import stamina

from phenoloop.errors import LabelStudioRefused, LabelStudioUnavailable

_RETRYABLE_STATUS = frozenset({408, 425, 429})


class Http:
    """JSON to and from one Label Studio.

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
        for attempt in stamina.retry_context(on=LabelStudioUnavailable, attempts=attempts or self._attempts):
            with attempt:
                return self._once(method, path, parameters, body)
        raise AssertionError("unreachable")  # the last attempt raises

    def _once(self, method: str, path: str, parameters: Mapping[str, Any] | None, body: object) -> Any:
        used = self._access_token
        response = self._send(method, path, parameters, body, self._authorization())
        if response.status_code == 401 and self._is_personal:
            self._refresh(used)
            response = self._send(method, path, parameters, body, self._authorization())
        return _answer(response, path)

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
                response = self._send("POST", path, None, {"refresh": self._token}, None)
                self._access_token = str(_answer(response, path)["access"])

    def _send(
        self, method: str, path: str, parameters: Mapping[str, Any] | None, body: object, authorization: str | None
    ) -> requests.Response:
        headers = {"Authorization": authorization} if authorization else {}
        try:
            return self._session.request(
                method, self._url + path, params=parameters, json=body, headers=headers, timeout=self._timeout_s
            )
        except requests.RequestException as error:
            raise LabelStudioUnavailable(
                "Label Studio did not answer.", url=self._url, path=path, problem=type(error).__name__
            ) from error


def _answer(response: requests.Response, path: str) -> Any:
    status = response.status_code
    if status >= 500 or status in _RETRYABLE_STATUS:
        raise LabelStudioUnavailable("Label Studio failed.", path=path, status=status)
    if status >= 400:
        cure = "Check the token." if status in {401, 403} else ""
        raise LabelStudioRefused(
            "Label Studio refused the request.", cure=cure, path=path, status=status, reason=_reason(response)
        )
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise LabelStudioRefused(
            "The answer is no JSON.", cure="Does the URL name a Label Studio?", path=path, status=status
        ) from error


def _reason(response: requests.Response) -> str:
    """Label Studio's own words, cut short."""
    try:
        answer = response.json()
        return str(answer.get("validation_errors") or answer.get("detail") or "")[:800]
    except (ValueError, AttributeError):
        return ""
