"""Contacts that are watched in the background."""

import threading

from phenoloop.checks import Check
from phenoloop.errors import QueueUnavailable


def test_a_contact_that_answers_is_no_problem_and_its_answer_is_kept() -> None:
    check = Check("Redis", lambda: {"waiting": 3})
    check.once()
    assert (check.problem, check.answer) == ("", {"waiting": 3})


def test_a_contact_that_fails_says_why_until_it_answers_again() -> None:
    answers: list[int | Exception] = [QueueUnavailable("Redis does not answer."), 5]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    check = Check("Redis", ask)
    check.once()
    assert check.problem == "Redis: Redis does not answer."
    check.once()
    assert check.problem == ""


def test_a_contact_that_hangs_is_a_problem_and_keeps_nobody_waiting() -> None:
    release = threading.Event()
    check = Check("Redis", lambda: release.wait(10), stale_s=0).start()
    assert check.problem.startswith("Redis has not answered for")
    assert check.answer is None
    release.set()
