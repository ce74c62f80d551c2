"""A bare repository on this disk is the remote; git is the real one."""

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from phenoloop.errors import ModuleRefused, RemoteFailed
from phenoloop.publishing.remote import GitRemote
from phenoloop.settings import Loc360Settings
from tests.unit.published_things import bare_repository

FIRST = {"loc360/module.py": b"first\n", "loc360/old.py": b"", "README.md": b"one\n"}
SECOND = {"loc360/module.py": b"second\n", "README.md": b"two\n"}


def git(*arguments: str, at: Path) -> str:
    words = ["git", "-c", "user.name=Someone", "-c", "user.email=someone@example.org", *arguments]
    return subprocess.run(words, cwd=at, capture_output=True, text=True, check=True).stdout.strip()


def nothing() -> None:
    """Before a push."""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return bare_repository(tmp_path)


@pytest.fixture
def remote(bare: Path) -> GitRemote:
    return GitRemote(Loc360Settings(remote=str(bare), author_name="Loop", author_email="loop@example.org"))


def someone_pushes(bare: Path, folder: Path, name: str = "notes.txt") -> None:
    git("clone", "--quiet", str(bare), str(folder), at=bare)
    (folder / name).write_text("theirs")
    git("add", "--all", at=folder)
    git("commit", "--quiet", "--message", "theirs", at=folder)
    git("push", "--quiet", "origin", "HEAD:main", at=folder)


def test_a_release_is_a_commit_on_the_branch_and_a_tag(bare: Path, remote: GitRemote) -> None:
    assert remote.publish(FIRST, tag="release-1", first=nothing)

    assert git("rev-parse", "main", at=bare) == git("rev-parse", "release-1", at=bare)
    assert git("show", "release-1:loc360/module.py", at=bare) == "first"
    assert git("log", "--format=%an <%ae> %s", "main", at=bare) == (
        "Loop <loop@example.org> Loc360 module of release release-1"
    )


def test_the_same_release_again_changes_nothing_and_is_not_checked_again(bare: Path, remote: GitRemote) -> None:
    remote.publish(FIRST, tag="release-1", first=nothing)
    refs = git("for-each-ref", at=bare)

    assert not remote.publish(FIRST, tag="release-1", first=lambda: pytest.fail("checked again"))
    assert git("for-each-ref", at=bare) == refs


def test_the_next_release_replaces_the_module_and_leaves_what_others_put_there(
    bare: Path, remote: GitRemote, tmp_path: Path
) -> None:
    remote.publish(FIRST, tag="release-1", first=nothing)
    someone_pushes(bare, tmp_path / "clone")

    assert remote.publish(SECOND, tag="release-2", first=nothing)

    files = git("ls-tree", "-r", "--name-only", "main", at=bare).splitlines()
    assert files == ["README.md", "loc360/module.py", "notes.txt"]
    assert git("show", "release-1:loc360/module.py", at=bare) == "first"
    assert len(git("log", "--format=%h", "main", at=bare).splitlines()) == 3


def test_a_release_that_is_live_again_is_on_the_branch_again_and_keeps_its_tag(bare: Path, remote: GitRemote) -> None:
    remote.publish(FIRST, tag="release-1", first=nothing)
    tagged = git("rev-parse", "release-1", at=bare)
    remote.publish(SECOND, tag="release-2", first=nothing)

    assert remote.publish(FIRST, tag="release-1", first=nothing)
    assert git("show", "main:loc360/module.py", at=bare) == "first"
    assert git("rev-parse", "release-1", at=bare) == tagged
    assert not remote.publish(FIRST, tag="release-1", first=lambda: pytest.fail("checked again"))


def test_a_module_that_fails_its_check_is_not_pushed(bare: Path, remote: GitRemote) -> None:
    def refuse() -> None:
        raise ModuleRefused("No.")

    with pytest.raises(ModuleRefused):
        remote.publish(FIRST, tag="release-1", first=refuse)
    assert git("for-each-ref", at=bare) == ""


def test_a_remote_that_moves_meanwhile_keeps_what_was_pushed_there(
    bare: Path, remote: GitRemote, tmp_path: Path
) -> None:
    remote.publish(FIRST, tag="release-1", first=nothing)
    checks: list[None] = []

    def meanwhile() -> None:
        checks.append(None)
        someone_pushes(bare, tmp_path / "clone")

    assert remote.publish(SECOND, tag="release-2", first=meanwhile)

    assert git("show", "main:notes.txt", at=bare) == "theirs"
    assert git("show", "main:loc360/module.py", at=bare) == "second"
    assert len(checks) == 1


def test_two_that_publish_the_same_release_at_once_leave_one_commit(bare: Path, remote: GitRemote) -> None:
    remote.publish(FIRST, tag="release-1", first=lambda: _published(remote))
    assert len(git("log", "--format=%h", "main", at=bare).splitlines()) == 1


def _published(remote: GitRemote) -> None:
    assert remote.publish(FIRST, tag="release-1", first=nothing)


def test_a_branch_that_takes_no_push_is_an_error_after_some_attempts(bare: Path, remote: GitRemote) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(RemoteFailed, match="May we push"):
        remote.publish(FIRST, tag="release-1", first=nothing)
    assert git("for-each-ref", at=bare) == ""


def test_a_remote_that_is_none_is_an_error_with_gits_words(tmp_path: Path) -> None:
    with pytest.raises(RemoteFailed, match=r"git says: .*does not appear to be a git repository"):
        GitRemote(Loc360Settings(remote=str(tmp_path / "none"))).publish(FIRST, tag="release-1", first=nothing)


@pytest.mark.parametrize(
    "remote",
    [
        "https://me:secret@git.example.org/a.git",
        "https://token@git.example.org/a.git",
        "--upload-pack=x",
        "ext::sh -c x",
    ],
)
def test_a_remote_with_a_secret_or_a_program_is_refused(remote: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Loc360Settings(remote=remote)
    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize("remote", ["", "git@git.example.org:a/b.git", "ssh://git@example.org/a", "https://x.org/a"])
def test_addresses_that_git_takes_are_taken(remote: str) -> None:
    assert Loc360Settings(remote=remote).remote == remote


def test_a_slow_remote_ends_in_an_error(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "ssh"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(slow))

    with pytest.raises(RemoteFailed, match="too long"):
        GitRemote(Loc360Settings(remote="git@host:a.git", timeout_s=0.5)).publish(FIRST, tag="r", first=nothing)
