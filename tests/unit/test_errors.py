from loc360.errors import ReplyInvalid
from phenoloop.errors import TaskInvalid


def test_a_message_tells_its_facts_and_the_cure() -> None:
    assert str(TaskInvalid("No photo.", cure="Name one.", task=3)) == "No photo. (task=3) Name one."


def test_a_message_is_short_and_can_be_written_whatever_its_facts_are() -> None:
    for error in (TaskInvalid("No photo.", given="x\ud800" * 50_000, number=10**5000), ReplyInvalid("\ud800" * 50_000)):
        assert len(str(error)) < 1000
        assert str(error).encode()
