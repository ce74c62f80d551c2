"""When a run starts by itself."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from phenoloop.settings import RetrainingSettings
from sync.policy import Pending, decide

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SETTINGS = RetrainingSettings(minimum_changes=5, quiet_s=60, longest_wait_s=600, runs_a_day=2)


def pending(count: int, *, first_s_ago: float, last_s_ago: float) -> Pending:
    return Pending(count, NOW - timedelta(seconds=first_s_ago), NOW - timedelta(seconds=last_s_ago))


def test_too_few_changes_start_nothing_however_long_they_wait() -> None:
    decision = decide(pending(4, first_s_ago=9999, last_s_ago=9999), 0, SETTINGS, NOW)
    assert not decision.due
    assert decision.wait_s is None
    assert "4 of 5" in decision.reason


def test_enough_changes_start_a_run_once_it_is_quiet() -> None:
    assert decide(pending(5, first_s_ago=100, last_s_ago=61), 0, SETTINGS, NOW).due


def test_while_people_still_save_it_waits_for_quiet() -> None:
    decision = decide(pending(5, first_s_ago=100, last_s_ago=20), 0, SETTINGS, NOW)
    assert not decision.due
    assert decision.wait_s == 40


def test_the_longest_wait_ends_a_day_without_quiet() -> None:
    assert decide(pending(50, first_s_ago=601, last_s_ago=1), 0, SETTINGS, NOW).due


def test_the_days_budget_is_kept() -> None:
    decision = decide(pending(50, first_s_ago=9999, last_s_ago=9999), 2, SETTINGS, NOW)
    assert not decision.due
    assert "used up" in decision.reason


def test_a_deletion_without_a_time_does_not_wait() -> None:
    assert decide(Pending(5, None, None), 0, SETTINGS, NOW).due


@given(ahead_s=st.floats(0, 1e6))
def test_a_clock_ahead_of_ours_puts_a_run_off_by_the_quiet_time_at_most(ahead_s: float) -> None:
    decision = decide(pending(5, first_s_ago=-ahead_s, last_s_ago=-ahead_s), 0, SETTINGS, NOW)
    assert decision.wait_s is not None
    assert decision.wait_s <= SETTINGS.quiet_s
