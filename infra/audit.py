"""`python infra/audit.py`: does anything that we install have a known vulnerability? Asked of pip-audit's service.

Exit code 0: nothing but what `infra/audit.toml` allows for now. 1: something, or an allowance that is over.
2: no service told, and `AUDIT=required` is set.
"""

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

FOLDER = Path(__file__).parent
CANARY = "requests==2.19.0"
"""Of 2018, with well-known vulnerabilities: whoever finds nothing here has not looked."""


class Allowance(BaseModel):
    """A vulnerability that we live with for now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    package: str
    until: dt.date
    why: str


class Finding(BaseModel):
    model_config = ConfigDict(frozen=True)

    package: str
    version: str
    ids: tuple[str, ...]
    """All names of the one vulnerability."""
    fixed_in: tuple[str, ...]


class NotAudited(Exception):
    """The service did not answer, or does not know the package."""


def main() -> int:
    allowed = TypeAdapter(list[Allowance]).validate_python(
        tomllib.loads((FOLDER / "audit.toml").read_text()).get("allow", [])
    )
    problems: list[str] = []
    try:
        require_service()
        for name, pins in requirements():
            findings = audited(pins)
            left = problems_of(findings, allowed, dt.datetime.now(dt.UTC).date())
            say(f"{name}: {len(pins)} packages audited, {len(findings)} vulnerabilities, {len(left)} not allowed")
            problems += left
    except NotAudited as error:
        required = os.environ.get("AUDIT") == "required"
        say(f"NOT AUDITED for known vulnerabilities: {error}.{'' if required else ' AUDIT=required makes this fail.'}")
        return 2 if required else 0
    for problem in problems:
        say(problem)
    return 1 if problems else 0


def require_service() -> None:
    """Raises NotAudited if there is none, or one that finds nothing."""
    if not audited([CANARY]):
        raise NotAudited(f"nothing was found in {CANARY}, which is known to be vulnerable")


def requirements() -> Iterator[tuple[str, list[str]]]:
    """Name and pinned packages of every environment: ours from the lock, the others resolved from what they pin."""
    everything = ("--all-extras", "--all-groups", "--no-emit-project", "--no-hashes", "--no-annotate")
    yield "uv.lock", _pins("uv", "export", "--quiet", "--locked", "--format", "requirements-txt", *everything)
    for file in sorted((FOLDER / "environments").glob("*.txt")):
        yield file.name, _pins("uv", "pip", "compile", "--quiet", "--no-annotate", str(file))


def audited(pins: Sequence[str]) -> list[Finding]:
    """Raises NotAudited if the service does not answer or does not know one of them."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        options = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
        command = [sys.executable, "-m", "pip_audit", "--requirement", file.name, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise NotAudited(f"pip-audit failed: {reason[:300]}") from None
    return list(findings_of(told))


def findings_of(told: Mapping[str, Any]) -> Iterator[Finding]:
    """Of pip-audit's JSON. Raises NotAudited if it left something out, which it calls a success."""
    skipped = [item["skip_reason"] for item in told["dependencies"] if "skip_reason" in item]
    if skipped:
        raise NotAudited(f"{len(skipped)} packages were not found by the service, such as: {skipped[0]}")
    for item in told["dependencies"]:
        for found in item["vulns"]:
            yield Finding(
                package=item["name"],
                version=item["version"],
                ids=(found["id"], *found.get("aliases", ())),
                fixed_in=tuple(found["fix_versions"]),
            )


def problems_of(findings: Sequence[Finding], allowed: Sequence[Allowance], today: dt.date) -> list[str]:
    """What is not allowed, or no longer."""
    problems = []
    for finding in findings:
        known = [a for a in allowed if a.package == finding.package and a.id in finding.ids]
        cure = f"fixed in {', '.join(finding.fixed_in)}" if finding.fixed_in else "no fix is known"
        told = f"{finding.package} {finding.version}: {finding.ids[0]}, {cure}"
        if not known:
            problems.append(told)
        elif max(a.until for a in known) < today:
            problems.append(f"{told}; it was allowed until {max(a.until for a in known)}")
    return problems


def _pins(*command: str) -> list[str]:
    """Raises NotAudited if uv fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER.parent)
    if done.returncode:
        raise NotAudited(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")
    return [line for line in done.stdout.splitlines() if "==" in line and not line.startswith("#")]


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a command's output


if __name__ == "__main__":
    sys.exit(main())
