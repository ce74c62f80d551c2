"""What a stack costs a month, about: prices kept by hand, to show which choices matter; no source for a budget."""

from collections.abc import Mapping
from dataclasses import dataclass

PRICES_OF = "us-east-1, on demand, kept by hand in November 2026 and not checked against the price lists"
SOURCE = "https://aws.amazon.com/sagemaker/pricing/ and the pages of the other services"
HOURS_A_MONTH = 730

ENDPOINT_USD_PER_HOUR = {
    "ml.t2.medium": 0.056,
    "ml.c5.large": 0.102,
    "ml.m5.large": 0.115,
    "ml.c5.xlarge": 0.204,
    "ml.m5.xlarge": 0.23,
    "ml.c5.2xlarge": 0.408,
    "ml.g4dn.xlarge": 0.736,
    "ml.g5.xlarge": 1.408,
}
SERVERLESS_USD_PER_GB_S = 0.00002
CALLS_A_MONTH, CALL_S = 100_000, 0.3
"""What the serverless line reckons with."""


@dataclass(frozen=True, slots=True)
class Cost:
    what: str
    usd_per_month: float | None
    """None where this table has no price."""
    basis: str


def costs(parameters: Mapping[str, str]) -> list[Cost]:
    """Of the stack's parameters, all of them: what is paid for whether or not anybody works comes first."""
    fixed = [_endpoints(parameters), Cost("alarms and dashboard", 3.0 + 10 * 0.10, "1 dashboard, about 10 alarms")]
    if not parameters["KmsKeyArn"]:
        return fixed + _by_use()
    return [*fixed, Cost("KMS key", 1.0, "1 key"), *_by_use()]


def _endpoints(parameters: Mapping[str, str]) -> Cost:
    memory_mb = int(parameters["ServerlessMemoryMb"])
    if memory_mb:
        usd = CALLS_A_MONTH * CALL_S * memory_mb / 1024 * SERVERLESS_USD_PER_GB_S
        return Cost("endpoints", usd, f"serverless: {CALLS_A_MONTH:,} calls of {CALL_S} s with {memory_mb} MB")
    kind, most = parameters["EndpointInstanceType"], int(parameters["EndpointInstancesMax"])
    hourly = ENDPOINT_USD_PER_HOUR.get(kind)
    up_to = f", up to {2 * most} under load" if most > 1 else ""
    basis = f"2 {kind}{up_to}, all month; twice that while a release before stays warm"
    return Cost("endpoints", None if hourly is None else 2 * hourly * HOURS_A_MONTH, basis)


def _by_use() -> list[Cost]:
    return [
        Cost("photos in S3", 100 * 0.023, "100 GB"),
        Cost("training", None, "a run's instances by the minute; less on spot instances"),
        Cost("events, queue, Lambdas, API", 1.0, "some 100,000 of each"),
        Cost("images in ECR", 10 * 0.10, "10 GB"),
    ]
