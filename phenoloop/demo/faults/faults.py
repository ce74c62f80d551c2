"""The faults there are, and how each service words its own."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

XML, JSON = "application/xml", "application/json"
AN_HOUR_AGO = "Sun, 01 Mar 2026 10:00:00 GMT"
"""What a server's clock says whose opinion of ours differs."""


class Service(StrEnum):
    S3 = "S3"
    SAGEMAKER = "SageMaker"
    LABEL_STUDIO = "Label Studio"


class Kind(StrEnum):
    THROTTLED = "throttled"
    FAILING = "5xx"
    RUBBISH = "rubbish with 200"
    HALF = "half response"
    STALL = "stall"
    RESET = "reset"
    TRICKLE = "slow trickle"
    SKEW = "clock skew"


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Kind
    share: float
    """Of requests that meet it."""
    lasts_s: float = 60.0
    """Of one stall or trickle."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def worded(service: Service, kind: Kind, rng: random.Random) -> Answer:
    """The answer of a service that throttles, fails, talks rubbish or finds our clock wrong."""
    if kind is Kind.RUBBISH:
        return _rubbish(rng)
    status, code, message = _REFUSALS[service, kind]
    if service is Service.S3:
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        return Answer(status, {"Content-Type": XML, "Date": AN_HOUR_AGO}, text.encode())
    if service is Service.SAGEMAKER:
        body = json.dumps({"Message": message, "message": message}).encode()
        return Answer(status, {"Content-Type": JSON, "x-amzn-ErrorType": code, "Date": AN_HOUR_AGO}, body)
    more = {"Retry-After": "1"} if status == 429 else {}
    return Answer(status, {"Content-Type": JSON, **more}, json.dumps({"detail": message}).encode())


_REFUSALS: Mapping[tuple[Service, Kind], tuple[int, str, str]] = {
    (Service.S3, Kind.THROTTLED): (503, "SlowDown", "Please reduce your request rate."),
    (Service.S3, Kind.FAILING): (500, "InternalError", "We encountered an internal error. Please try again."),
    (Service.S3, Kind.SKEW): (
        *(403, "RequestTimeTooSkewed"),
        "The difference between the request time and the current time is too large.",
    ),
    (Service.SAGEMAKER, Kind.THROTTLED): (400, "ThrottlingException", "Rate exceeded"),
    (Service.SAGEMAKER, Kind.FAILING): (500, "InternalFailure", "An internal failure occurred."),
    (Service.SAGEMAKER, Kind.SKEW): (
        *(403, "InvalidSignatureException"),
        "Signature expired: 20260301T100000Z is now earlier than 20260301T105500Z",
    ),
    (Service.LABEL_STUDIO, Kind.THROTTLED): (429, "", "Request was throttled. Expected available in 1 second."),
    (Service.LABEL_STUDIO, Kind.FAILING): (502, "", "Bad gateway"),
}


def _rubbish(rng: random.Random) -> Answer:
    """What a proxy, a captive portal or a broken disk makes of an answer."""
    kind, body = rng.choice([
        ("text/html", b"<html><body><h1>It works!</h1></body></html>"),
        (JSON, b'{"results": [[{"tru'),
        ("application/octet-stream", rng.randbytes(300)),
    ])  # fmt: skip
    return Answer(200, {"Content-Type": kind}, body)
