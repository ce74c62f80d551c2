"""What should be live: something that was decided for."""

from phenoloop.chain.release import Release
from sync.registry import ChainPackage
from sync.release.rollouts import Rollout

Choice = ChainPackage | Rollout
"""A package of the registry, or the rollout of endpoints that someone adopted."""


def is_live(choice: Choice, live: Release | None) -> bool:
    if live is None:
        return False
    return live.name == choice.release if isinstance(choice, Rollout) else live.package_arn == choice.arn


def identity(choice: Choice) -> str:
    return choice.release if isinstance(choice, Rollout) else choice.arn


def in_words(choice: Choice) -> str:
    if isinstance(choice, ChainPackage):
        return f"Version {choice.version}"
    return f"The adopted release {choice.release}"
