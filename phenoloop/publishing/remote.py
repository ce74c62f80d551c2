"""A git remote that gets a tree: one commit on a branch and one tag a release, nothing forced."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from phenoloop.errors import RemoteFailed
from phenoloop.publishing.build import written
from phenoloop.publishing.content import MODULE, Files
from phenoloop.settings import Loc360Settings

ATTEMPTS = 5
_PLACE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
"""Of a repository that called us, not of ours."""


@dataclass(frozen=True, slots=True)
class GitRemote:
    """Credentials are git's own: its helpers, or ssh's keys."""

    settings: Loc360Settings

    def publish(self, files: Files, *, tag: str, first: Callable[[], None]) -> bool:
        """Bring the branch to these files and tag it, if the tag is new; whether that was news.

        Of what else is on the branch nothing is touched. `first` is done once before anything is pushed; what it raises
        ends it. If someone else pushes meanwhile, it is done again on top of that. Raises RemoteFailed.
        """
        for attempt in range(ATTEMPTS):
            tagged, head = self._refs(tag)
            if tagged and tagged == head:
                return False
            with tempfile.TemporaryDirectory(prefix="loc360-publish-") as name:
                changed = self._commit(Path(name), files, tag, is_new=not head)
                if not changed and tagged:
                    return False
                if attempt == 0:
                    first()
                if self._push(Path(name), tag, is_new=not tagged):
                    return True
        raise RemoteFailed(
            "The remote refused the module again and again.",
            cure="May we push to this branch and make tags?",
            branch=self.settings.branch,
        )

    def _refs(self, tag: str) -> tuple[str, str]:
        """The commits that the tag and the branch are at; empty where there is none."""
        wanted = f"refs/tags/{tag}", f"refs/heads/{self.settings.branch}"
        listed = self._git("ls-remote", "--", self.settings.remote, wanted[0], f"{wanted[0]}^{{}}", wanted[1])
        found = {ref: commit for commit, ref in (line.split("\t") for line in listed.splitlines())}
        return found.get(f"{wanted[0]}^{{}}", found.get(wanted[0], "")), found.get(wanted[1], "")

    def _commit(self, folder: Path, files: Files, tag: str, *, is_new: bool) -> bool:
        """On top of the branch; False if it holds the same already."""
        branch = self.settings.branch
        self._git("init", "--quiet", "--initial-branch", branch, cwd=folder)
        if not is_new:
            self._git("fetch", "--quiet", "--depth=1", "--", self.settings.remote, f"refs/heads/{branch}", cwd=folder)
            self._git("reset", "--quiet", "--hard", "FETCH_HEAD", cwd=folder)
            shutil.rmtree(folder / MODULE, ignore_errors=True)
        written(files, folder)
        self._git("add", "--force", "--all", cwd=folder)
        if not self._git("status", "--porcelain", cwd=folder):
            return False
        self._git("commit", "--quiet", "--message", f"Loc360 module of release {tag}", cwd=folder)
        return True

    def _push(self, folder: Path, tag: str, *, is_new: bool) -> bool:
        """Branch and tag or neither; False if the remote has moved."""
        refs = [f"HEAD:refs/heads/{self.settings.branch}", *([f"HEAD:refs/tags/{tag}"] if is_new else [])]
        try:
            self._git("push", "--quiet", "--porcelain", "--atomic", "--", self.settings.remote, *refs, cwd=folder)
        except RemoteFailed as error:
            if error.facts.get("status") == 1:  # refs were refused; all else is 128
                return False
            raise
        return True

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        settings = self.settings
        identity = {"NAME": settings.author_name, "EMAIL": settings.author_email}
        environment = {
            **{name: value for name, value in os.environ.items() if name not in _PLACE},
            **{f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in identity.items()},
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:https:ssh",
            "LC_ALL": "C",
        }
        try:
            return subprocess.run(
                ["git", "-c", "core.autocrlf=false", *arguments], cwd=cwd, env=environment, capture_output=True,
                text=True, check=True, stdin=subprocess.DEVNULL, timeout=settings.timeout_s,
            ).stdout  # fmt: skip
        except FileNotFoundError as error:
            raise RemoteFailed("There is no git here.", cure="Install git.") from error
        except subprocess.TimeoutExpired as error:
            cure = "Is the remote reachable without a password being typed?"
            raise RemoteFailed("git took too long.", cure=cure, command=arguments[0]) from error
        except subprocess.CalledProcessError as error:
            words = re.sub(r"://[^/@\s]+@", "://", f"{error.stderr} {error.stdout}".strip())[-500:]
            cure = f"git says: {' '.join(words.split())}"
            raise RemoteFailed(
                "git did not do it.", cure=cure, command=arguments[0], status=error.returncode
            ) from error
