"""Sync's release concern on a registry and a bucket of moto's, with what a test does to it."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from phenoloop.chain.releases import Release
from phenoloop.settings import BackendSettings, LabelStudioSettings, ReleaseSettings, RetrainingSettings, Settings
from sync.metrics import SyncMetrics
from sync.release.concern import ReleaseConcern
from tests.contract.chain_aws import BUCKET, GROUP, ROLE, Aws

ALL_STEPS = ["endpoints", "alarms", "smoke", "shadow", "canary", "live", "published", "watched"]


class RolloutDesk(Aws):
    def __init__(self, folder: Path, **release: Any) -> None:
        super().__init__(folder)
        self.now_s = 0.0
        """By which a concern loses its patience."""
        self.configure(**release)

    def configure(self, **release: Any) -> None:
        self.settings = ReleaseSettings.model_validate({"watch_s": 0, "canary_s": 0, "shadow_slower": 100, **release})

    @property
    def concern(self) -> ReleaseConcern:
        """A worker's, started just now."""
        settings = Settings.model_validate(
            {
                "storage": {"bucket": BUCKET},
                "training": {"package_group": GROUP, "role_arn": ROLE},
                "release": self.settings,
                "retraining": RetrainingSettings(),
                "label_studio": LabelStudioSettings(url="http://label-studio", token=SecretStr("token")),
                "backend": BackendSettings(password=SecretStr("password of tests")),
                "queue_url": "",
            }
        )
        return ReleaseConcern(
            self.sagemaker,
            self.releaser,
            settings,
            SyncMetrics(),
            asked_by=lambda _: None,
            clock=lambda: self.now_s,
        )

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.concern.look()

    def released(self, **chain: Any) -> Release:
        """A chain that is approved and looked at until it is live, if it comes to that; what is live then."""
        self.register(self.upload(**chain))
        self.look()
        return self.store.live()

    def status(self, package_arn: str) -> str:
        return str(self.sagemaker.describe_model_package(ModelPackageName=package_arn)["ModelApprovalStatus"])

    def names(self) -> dict[str, set[str]]:
        """Of models, configurations and endpoints."""
        ask = self.sagemaker
        return {
            "models": {item["ModelName"] for item in ask.list_models()["Models"]},
            "configs": {item["EndpointConfigName"] for item in ask.list_endpoint_configs()["EndpointConfigs"]},
            "endpoints": self.endpoints(),
        }


def facts(desk: RolloutDesk, release: Release, step: str) -> dict[str, Any]:
    rollout = desk.rollouts.find(release.name)
    assert rollout is not None
    found = rollout.step(step)
    assert found is not None, rollout
    return dict(found.facts)
