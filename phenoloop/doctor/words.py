"""What went wrong, and its cure, in a person's words: for errors of AWS, Redis and HTTP as well as our own."""

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, PartialCredentialsError
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from requests.exceptions import RequestException

from phenoloop.errors import PhenoloopError

_DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden", "AllAccessDisabled", "AuthorizationError"}
_CREDENTIALS = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"),
    *("UnrecognizedClientException", "InvalidToken", "AuthFailure"),
}
_PERMISSIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "ListRuleNamesByTarget": "events:ListRuleNamesByTarget",
    "DescribeRule": "events:DescribeRule",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "DescribeEndpoint": "sagemaker:DescribeEndpoint",
}


def reason_and_cure(error: BaseException) -> tuple[str, str]:
    """One sentence each. Neither holds a token, a password or a body."""
    if isinstance(error, PhenoloopError):
        return _ours(error)
    if isinstance(error, ClientError | BotoCoreError):
        return _aws(error)
    if isinstance(error, RedisError):
        return _redis(error)
    if isinstance(error, RequestException):
        return f"no answer ({type(error).__name__})", "Is it up, and reachable from here?"
    return f"{type(error).__name__}: {error}", "This is a bug of the check itself: please report it."


def _ours(error: PhenoloopError) -> tuple[str, str]:
    cause = error.__cause__
    facts = ", ".join(f"{name}={value}" for name, value in error.facts.items())
    cure = error.cure or ("Is it up, and not overloaded?" if error.retryable else "See the log of the service.")
    if isinstance(cause, ClientError | BotoCoreError) and not error.cure:
        cure = _aws(cause)[1]
    return f"{error.message}{f' ({facts})' if facts else ''}", cure


def _aws(error: ClientError | BotoCoreError) -> tuple[str, str]:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "there are no AWS credentials", "Give this process a role, or set AWS_ACCESS_KEY_ID and its secret."
    if isinstance(error, NoRegionError):
        return "no AWS region is set", "Set AWS_DEFAULT_REGION."
    if not isinstance(error, ClientError):
        url = getattr(error, "kwargs", {}).get("endpoint_url", "")
        cure = "Is it up, and reachable from here? AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SERVICE redirect boto3."
        return f"{url or 'it'} can't be reached ({type(error).__name__})", cure
    code, operation = error.response.get("Error", {}).get("Code", ""), error.operation_name
    if code in _DENIED:
        return f"{operation} is denied", f"Allow our role {_PERMISSIONS.get(operation, operation)} on it."
    if code in _CREDENTIALS:
        return f"the AWS credentials are refused ({code})", "Renew them, or the role that this process takes."
    if code == "RequestTimeTooSkewed":
        return "our clock is far off", "Set this machine's clock (NTP)."
    if code in {"NoSuchBucket", "404", "NotFound"}:
        return (
            f"there is no such bucket or object ({operation}: {code})",
            "Check PHENOLOOP_STORAGE__BUCKET, or make it.",
        )
    if "NonExistentQueue" in code or code == "QueueDoesNotExist":
        return "there is no such queue", "Check PHENOLOOP_QUEUE_URL, or make the queue."
    said = str(error.response.get("Error", {}).get("Message", ""))[:200]
    return f"{operation} failed: {code}: {said}", "See the service's own log."


def _redis(error: RedisError) -> tuple[str, str]:
    if isinstance(error, AuthenticationError | NoPermissionError):
        return "Redis refuses the password or the user", "Check user and password in PHENOLOOP_REDIS_URL."
    return f"Redis can't be used ({type(error).__name__})", "Is it up, and does PHENOLOOP_REDIS_URL name it?"
