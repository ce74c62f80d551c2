"""What a proof prints and writes."""

import io
import json
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from phenoloop.demo.proof.annotator import Shares
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.known import KnownObject, Plan
from phenoloop.demo.proof.report import print_report
from phenoloop.demo.proof.run import failures_noted
from phenoloop.demo.proof.scoring import ReleaseScore, comparison, gain_over, groups_of
from phenoloop.demo.proof.steps import StepFailed
from phenoloop.labelling.annotated import decode_regions
from tests.unit.proof_things import known, photo, predicted
from training.evaluation.scores import chain_scores, intervals


def scored(release: str, *shown: KnownObject) -> ReleaseScore:
    """Of a release that finds these in each of four photos, where a tomato of 40 x 20 mm lies."""
    tomato = known()
    truth = KnownObject(tomato.label, tomato.box_px, tomato.mask, tomato.origin_px, length_mm=42.0, width_mm=20.0)
    result = predicted(*shown)
    scores = {str(item["id"]): 0.8 for item in result}
    comparisons = tuple(comparison([truth], decode_regions(result), scores) for _ in range(4))
    return ReleaseScore(
        release, chain_scores(comparisons), intervals(comparisons), Shares(corrected=4, added=1), comparisons
    )


def printed(findings: Findings) -> str:
    text = io.StringIO()
    print_report(Console(file=text, width=200), findings)
    return text.getvalue()


@pytest.fixture
def findings() -> Findings:
    found = Findings(seed=7, photos=Plan(open=2, annotated=24, judged_on=8, shuffled=16, tests=4))
    found.releases = [scored("r0", known("carrot")), scored("r1", known("tomato"))]
    found.gains = [gain_over(found.releases[1], found.releases[0])]
    found.annotated = Shares(accepted=3, corrected=1)
    found.after_last_annotation_s = {"run started": 9.5}
    found.runs = {"annotations": {"run": "abc", "test_photos": 5, "gain": {"mean": 0.2, "low": 0.1, "high": 0.3}}}
    return found


def test_regions_are_compared_with_their_labels_scores_and_sizes() -> None:
    scores = scored("r0", known()).scores
    assert (scores.box_ap50, scores.mask_ap50, scores.mean_iou) == (1.0, 1.0, 1.0)
    assert scores.length_median_error_mm == pytest.approx(2.0)


def test_a_wrong_label_counts_only_where_labels_do() -> None:
    scores = scored("r0", known("carrot")).scores
    assert (scores.box_ap50, scores.box_ap50_any_label) == (0.0, 1.0)


def test_a_better_release_has_a_gain_above_zero(findings: Findings) -> None:
    assert findings.gains[0]["quality"].low > 0
    assert findings.gains[0]["box_ap50_any_label"].mean == 0


def test_a_report_tells_everything(findings: Findings) -> None:
    text = printed(findings)
    for told in (
        "release 1 minus 0",
        "mask AP50",
        "labels pooled",
        "length error, mm",
        "75% (3)",
        "9.5",
        "+0.200 (+0.100 to +0.300)",
    ):
        assert told in text
    assert "The loop closes. Seed 7" in text


def test_a_failed_proof_still_reports_what_it_found(findings: Findings) -> None:
    findings.releases.pop()
    findings.gains.clear()
    findings.failures.append("Run started: it did not happen.")
    text = printed(findings)
    assert "failed: Run started: it did not happen." in text
    assert "release 0" in text
    assert "The loop does not close." in text


def test_a_proof_that_failed_at_once_has_no_tables() -> None:
    found = Findings(seed=1, failures=["The stack did not start."])
    assert printed(found).splitlines()[0] == "failed: The stack did not start."


@pytest.mark.parametrize(("tests", "failed"), [(16, ""), (15, "failed: Only 15 test photos; a proof needs 16.")])
def test_a_proof_on_too_few_test_photos_does_not_hold(tests: int, failed: str) -> None:
    found = Findings(seed=1)
    found.plan(Plan(open=2, annotated=20, judged_on=6, shuffled=14, tests=tests))
    assert found.as_json()["holds"] == (not failed)
    assert printed(found).startswith(failed)


def test_photos_of_one_group_are_one_witness() -> None:
    two = [replace(photo(known(), name=f"{n}.jpg"), group="plant") for n in range(2)]
    assert groups_of([*two, photo(name="c.jpg")]) == ("group plant", "group plant", "photo c.jpg")
    assert groups_of([photo(), photo(name="b.jpg")]) is None


def test_a_gain_on_photos_of_one_plant_proves_nothing(findings: Findings) -> None:
    before, after = (replace(score, groups=("plant",) * 4) for score in findings.releases)
    assert gain_over(after, before)["quality"].low < 0 < findings.gains[0]["quality"].low


def test_a_stack_that_does_not_stop_hides_no_other_failure() -> None:
    found = Findings(seed=1)
    told: list[str] = []

    def noted() -> AbstractContextManager[None]:
        return failures_noted(found, told.append)

    with noted(), noted():
        try:
            with noted():
                raise StepFailed("The run failed.")
        finally:
            with noted():
                raise StepFailed("The stack did not stop.")
    assert found.failures == ["The run failed.", "The stack did not stop."]
    assert told == [f"failed: {reason}" for reason in found.failures]


def test_the_json_holds_the_same(findings: Findings) -> None:
    body = json.loads(json.dumps(findings.as_json()))
    assert body["holds"]
    assert [release["release"] for release in body["releases"]] == ["r0", "r1"]
    assert body["gains"][0]["quality"]["low"] == pytest.approx(np.float64(1.0))
    assert body["annotated"]["accepted"] == {"regions": 3, "share": 0.75}
