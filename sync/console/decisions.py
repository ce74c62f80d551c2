"""What a person decides at the console: sync hears of it from the registry and does the rest."""

from __future__ import annotations

import structlog

from phenoloop.errors import RegistryFailed
from sync.loop import Loop
from sync.registry import ChainPackage


class Decisions:
    """Every method raises RegistryFailed, SageMakerUnavailable, StorageUnavailable."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def approve(self, version: int, reason: str) -> None:
        package = self._package(version)
        self._loop.approve(package, reason)
        structlog.get_logger().info("package approved at the console", package=package.arn, reason=reason)

    def reject(self, version: int, reason: str) -> None:
        """Refuses the live one: that is a roll-back, which looks for another to take its place."""
        package, live = self._package(version), self._loop.live()
        if live is not None and live.package_arn == package.arn:
            raise RegistryFailed("This chain is live.", cure="Roll back instead.", version=version)
        self._loop.reject(package, reason)
        structlog.get_logger().info("package rejected at the console", package=package.arn, reason=reason)

    def roll_back(self, reason: str) -> None:
        """Withdraw what is live; what was decided for before takes its place. Raises ReleaseMissing, too."""
        self._loop.decisions.roll_back(reason)
        structlog.get_logger().info("rolled back at the console", reason=reason)

    def _package(self, version: int) -> ChainPackage:
        found = next((package for package in self._loop.packages() if package.version == version), None)
        if found is None:
            raise RegistryFailed("There is no such version.", version=version)
        return found
