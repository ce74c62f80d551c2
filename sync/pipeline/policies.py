"""What all steps share: which failures are tried again, and for how long a result serves later runs.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

CACHED = {"Enabled": True, "ExpireAfter": "P30D"}
"""Objects under the runs' prefix must live at least as long."""

CALL_RETRIES = [
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "IntervalSeconds": 10,
        "BackoffRate": 2.0,
        "MaxAttempts": 6,
    }
]
JOB_RETRIES = [
    *CALL_RETRIES,
    {
        "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"],
        "IntervalSeconds": 30,
        "BackoffRate": 2.0,
        "MaxAttempts": 3,
    },
    {  # machines or quota may come free within hours
        "ExceptionType": ["SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 60,
        "BackoffRate": 2.0,
        "ExpireAfterMin": 360,
    },
]
