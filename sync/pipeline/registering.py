"""What becomes of the candidate: registered if it is better, registered for a person if that is doubtful, else left."""

from __future__ import annotations

from typing import Any

from phenoloop.settings import StorageSettings, TrainingSettings
from sync.pipeline.expressions import Json, evaluated, joined, parameter, run_folder
from sync.pipeline.policies import CALL_RETRIES
from sync.registry import PENDING


def if_better(storage: StorageSettings, training: TrainingSettings) -> Json:
    register = _register("Register", storage, training, approval=parameter("Approval"))
    return _if_verdict("better", "IsBetter", register)


def if_doubtful(storage: StorageSettings, training: TrainingSettings) -> Json:
    """Such as too few photos to tell."""
    register = _register("RegisterForReview", storage, training, approval=PENDING)
    return _if_verdict("doubtful", "IsDoubtful", register)


def _if_verdict(verdict: str, name: str, then: Json) -> Json:
    """The evaluation weighs figures, intervals and doubts, and says so in one word."""
    condition = {"Type": "Equals", "LeftValue": evaluated("verdict"), "RightValue": verdict}
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": [condition], "IfSteps": [then], "ElseSteps": []},
    }


def _register(name: str, storage: StorageSettings, training: TrainingSettings, *, approval: Any) -> Json:
    """The model card is linked, not inlined: one that SageMaker's schema refuses must not cost the registration."""

    def written(file: str) -> Json:
        return run_folder(storage, "evaluation", file)

    return {
        "Name": name,
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": training.package_group,
            "ModelPackageDescription": joined(" ", "Run", parameter("Run")),
            "InferenceSpecification": {
                "Containers": [
                    {
                        "ContainerHostname": role,
                        "Image": training.serving_image,
                        "ModelDataUrl": evaluated(f"{role}_url"),
                    }
                    for role in ("detector", "segmenter")
                ],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {"ContentType": "application/json", "S3Uri": written("evaluation.json")}
                },
                "Explainability": {"Report": {"ContentType": "text/html", "S3Uri": written("report.html")}},
            },
            "CustomerMetadataProperties": {
                "manifest": written("manifest.json"),
                "report": written("report.html"),
                "model_card": written("model-card.json"),
                "snapshot": parameter("SnapshotUrl"),
                "run": parameter("Run"),
            },
            "ModelApprovalStatus": approval,
        },
        "RetryPolicies": CALL_RETRIES,
    }
