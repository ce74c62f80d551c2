"""The module of the live release is published once, beside everything else that sync does."""

import time
from collections.abc import Callable
from typing import cast

import pytest
from structlog.testing import capture_logs

from phenoloop.chain.release import Release
from phenoloop.errors import ModuleRefused, RemoteFailed
from sync.publication import CHECKING_S, Publication

PAUSE_S = 60.0


class Named:
    """As much of a release as is looked at."""

    def __init__(self, name: str) -> None:
        self.name = name


ONE, TWO = (cast("Release", Named(name)) for name in ("phenoloop-1", "phenoloop-2"))


class Remote:
    def __init__(self) -> None:
        self.published: list[str] = []
        self.error: Exception | None = None

    def publish(self, release: Release) -> bool:
        if self.error:
            raise self.error
        self.published.append(release.name)
        return True


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def publication(remote: Remote) -> Publication:
    return Publication(remote.publish, PAUSE_S)


def settled(look: Callable[[], float]) -> float:
    while (again_in_s := look()) in (CHECKING_S, 0.0):
        time.sleep(0.01)
    return again_in_s


def test_a_live_release_is_published_once(publication: Publication, remote: Remote) -> None:
    assert settled(lambda: publication.look(ONE)) == PAUSE_S
    assert publication.look(ONE) == PAUSE_S
    assert remote.published == ["phenoloop-1"]


def test_the_next_release_and_a_roll_back_are_published_too(publication: Publication, remote: Remote) -> None:
    for live in (ONE, TWO, ONE):
        settled(lambda live=live: publication.look(live))  # type: ignore[misc]
    assert remote.published == ["phenoloop-1", "phenoloop-2", "phenoloop-1"]


def test_while_nothing_is_live_nothing_is_published(publication: Publication, remote: Remote) -> None:
    assert (publication.look(None), remote.published) == (PAUSE_S, [])


def test_a_check_that_takes_long_keeps_nobody_waiting() -> None:
    def publish(_: Release) -> bool:
        time.sleep(0.3)
        return True

    started_s = time.monotonic()
    assert Publication(publish, PAUSE_S).look(ONE) == CHECKING_S
    assert time.monotonic() - started_s < 0.2


def test_a_module_that_breaks_the_contract_is_told_of_once_and_not_checked_for_ever(
    publication: Publication, remote: Remote
) -> None:
    remote.error = ModuleRefused("It breaks the contract.")
    with capture_logs() as lines:
        settled(lambda: publication.look(ONE))
        publication.look(ONE)
    assert [line["release"] for line in lines if line["event"] == "module not published"] == ["phenoloop-1"]


def test_a_remote_that_fails_is_asked_again(publication: Publication, remote: Remote) -> None:
    remote.error = RemoteFailed("It does not answer.")
    with pytest.raises(RemoteFailed):
        settled(lambda: publication.look(ONE))

    remote.error = None
    settled(lambda: publication.look(ONE))

    assert remote.published == ["phenoloop-1"]
