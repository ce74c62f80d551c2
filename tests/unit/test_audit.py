"""Known vulnerabilities are found, allowed for a time, and never taken for absent because nobody looked."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.audit import Allowance, Finding, NotAudited, findings_of, problems_of

RECORDED = Path(__file__).parents[1] / "recorded" / "pip_audit"
TODAY = date(2026, 11, 22)


def told(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


@pytest.fixture
def findings() -> list[Finding]:
    return list(findings_of(told("told")))


def allowance(name: str = "PYSEC-2018-28", package: str = "requests", until: date = TODAY) -> Allowance:
    return Allowance(id=name, package=package, until=until, why="a test")


def test_what_pip_audit_finds_is_read(findings: list[Finding]) -> None:
    (found,) = findings
    assert (found.package, found.version, found.fixed_in) == ("requests", "2.19.0", ("2.20.0",))


def test_a_finding_that_nobody_allowed_is_a_problem_with_its_cure(findings: list[Finding]) -> None:
    (problem,) = problems_of(findings, [allowance("another"), allowance(package="flask")], TODAY)
    assert problem == "requests 2.19.0: PYSEC-2018-28, fixed in 2.20.0"


@pytest.mark.parametrize("name", ["PYSEC-2018-28", "CVE-2018-18074", "GHSA-x84v-xcm2-53pg"])
def test_it_may_be_allowed_by_any_of_its_names_until_the_end_of_a_day(findings: list[Finding], name: str) -> None:
    assert problems_of(findings, [allowance(name)], TODAY) == []


def test_an_allowance_that_is_over_is_a_problem(findings: list[Finding]) -> None:
    (problem,) = problems_of(findings, [allowance(until=date(2026, 11, 21))], TODAY)
    assert problem.endswith("it was allowed until 2026-11-21")


def test_a_package_that_the_service_did_not_know_is_not_taken_for_sound() -> None:
    """pip-audit itself calls it a success and says that no vulnerabilities are known."""
    with pytest.raises(NotAudited, match="not found"):
        list(findings_of(told("skipped")))
