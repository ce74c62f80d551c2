from pkgutil import resolve_name

import pytest
from redis.exceptions import ConnectionError as RedisDown

from ml_backend.prelabel import LOT, prelabel, prelabel_chunk
from phenoloop.errors import EndpointUnavailable, ImageUnreadable, LabelStudioUnavailable, QueueUnavailable, TimeOver
from phenoloop.jobs import CHUNK, JOB, enqueue_prelabel
from tests.unit.backend_fakes import RELEASE, FakeChain, FakeLabelStudio, FakeQueue, Gate, backend

PHOTOS = {id_: f"s3://phenoloop/images/{id_}.jpg" for id_ in range(1, 6)}


def failing_at(error, *names):
    def check(etag):
        if etag in names:
            raise error

    return FakeChain(before=check)


def test_each_task_gets_one_prediction_of_the_live_release():
    label_studio = FakeLabelStudio(PHOTOS)

    stored = prelabel(backend(label_studio=label_studio), 3, [1, 2, 3])

    assert stored == 3
    assert [(p["task"], p["model_version"]) for p in label_studio.stored] == [(1, RELEASE), (2, RELEASE), (3, RELEASE)]
    assert all(p["result"] and p["score"] for p in label_studio.stored)


def test_tasks_of_a_canary_project_get_predictions_of_the_canary():
    label_studio, chain = FakeLabelStudio(PHOTOS), FakeChain()
    chain.canaries = {3: "phenoloop-canary"}
    label_studio.versions[1] = {RELEASE}

    prelabel(backend(chain=chain, label_studio=label_studio), 3, [1])

    assert [(p["task"], p["model_version"]) for p in label_studio.stored] == [(1, "phenoloop-canary")]
    assert label_studio.replaced == [(1, RELEASE)]


def test_a_second_run_stores_nothing():
    label_studio = FakeLabelStudio(PHOTOS)
    served = backend(label_studio=label_studio)

    prelabel(served, 3, [1, 2])

    assert prelabel(served, 3, [1, 2]) == 0
    assert len(label_studio.stored) == 2


def test_a_task_with_a_prediction_of_an_older_release_gets_a_new_one():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[1] = {"phenoloop-older"}
    label_studio.versions[2] = {RELEASE}

    prelabel(backend(label_studio=label_studio), 3, [1, 2])

    assert [p["task"] for p in label_studio.stored] == [1]


def test_an_open_tasks_prediction_stays_there_with_what_the_new_release_says_since_someone_may_be_at_it():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[1] = {"phenoloop-older", "somebody-else"}

    assert prelabel(backend(label_studio=label_studio), 3, [1]) == 1

    assert label_studio.replaced == [(1, "phenoloop-older")]
    assert label_studio.versions[1] == {RELEASE, "somebody-else"}
    assert [label_studio.deleted, sum(label_studio.imports)] == [[], 0]


def test_a_prediction_that_is_gone_when_it_should_be_replaced_is_made_anew():
    class Forgetful(FakeLabelStudio):
        def replace_prediction(self, prediction_id, prediction):
            return False

    label_studio = Forgetful(PHOTOS)
    label_studio.versions[1] = {"phenoloop-older"}

    prelabel(backend(label_studio=label_studio), 3, [1])

    assert label_studio.imports == [1]


class Overtaken(FakeChain):
    """While it looks at a photo, a newer release goes live."""

    def annotate(self, image, **more):
        found = super().annotate(image, **more)
        self.release = "phenoloop-newer"
        return found


def test_a_release_that_is_no_longer_live_leaves_one_prediction_for_the_next_one_to_replace():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[1] = {"phenoloop-older"}

    prelabel(backend(chain=Overtaken(), label_studio=label_studio), 3, [1])

    assert label_studio.versions[1] == {RELEASE}
    assert label_studio.deleted == []


def test_a_release_that_is_no_longer_live_adds_nothing_to_what_the_live_one_predicted():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[1] = {"phenoloop-newer"}

    assert prelabel(backend(chain=Overtaken(), label_studio=label_studio), 3, [1]) == 0


def test_what_an_open_task_has_beside_its_prediction_of_now_is_deleted():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[2] = {"phenoloop-older", RELEASE}

    prelabel(backend(label_studio=label_studio), 3, [2])

    assert label_studio.deleted == [(2, "phenoloop-older")]


def test_an_annotated_task_keeps_the_prediction_that_it_was_made_from():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[1] = {"phenoloop-older"}
    label_studio.annotated = {1}

    prelabel(backend(label_studio=label_studio), 3, [1])

    assert [label_studio.replaced, label_studio.deleted] == [[], []]
    assert label_studio.versions[1] == {"phenoloop-older", RELEASE}


def test_without_a_new_prediction_the_old_one_stays():
    label_studio = FakeLabelStudio(PHOTOS)
    label_studio.versions[2] = {"phenoloop-older"}
    chain = failing_at(ImageUnreadable("The photo can't be read."), "2.jpg")

    prelabel(backend(chain=chain, label_studio=label_studio), 3, [2])

    assert label_studio.deleted == []


def test_a_task_that_was_opened_meanwhile_is_not_predicted_twice():
    label_studio = FakeLabelStudio(PHOTOS)
    chain = FakeChain(before=lambda etag: label_studio.versions[1].add(RELEASE))

    prelabel(backend(chain=chain, label_studio=label_studio), 3, [1])

    assert label_studio.stored == []


def test_a_failure_that_may_pass_is_raised_for_another_try_after_the_others_are_stored():
    label_studio = FakeLabelStudio(PHOTOS)
    chain = failing_at(EndpointUnavailable("The endpoint throttled."), "2.jpg")

    with pytest.raises(EndpointUnavailable):
        prelabel(backend(chain=chain, label_studio=label_studio), 3, [1, 2, 3])

    assert [p["task"] for p in label_studio.stored] == [1, 3]


def test_a_failure_that_will_not_pass_is_not_tried_again():
    label_studio = FakeLabelStudio(PHOTOS)
    chain = failing_at(ImageUnreadable("The photo can't be read."), "2.jpg")

    assert prelabel(backend(chain=chain, label_studio=label_studio), 3, [1, 2, 3]) == 2


def test_predictions_are_stored_lot_by_lot_in_the_order_that_was_asked_for():
    newest_first = list(range(2 * LOT + 1, 0, -1))
    label_studio = FakeLabelStudio(many_photos := dict.fromkeys(newest_first, "s3://phenoloop/images/1.jpg"))

    assert prelabel(backend(label_studio=label_studio), 3, newest_first) == len(many_photos)

    assert label_studio.imports == [LOT, LOT, 1]
    stored = [prediction["task"] for prediction in label_studio.stored]
    assert [set(stored[:LOT]), set(stored[-1:])] == [set(newest_first[:LOT]), {1}]


def test_while_label_studio_takes_nothing_no_more_than_two_lots_are_predicted():
    class Refusing(FakeLabelStudio):
        def import_predictions(self, project_id, predictions):
            raise LabelStudioUnavailable("Label Studio failed.")

    predicted = []
    label_studio = Refusing(dict.fromkeys(range(1, 3 * LOT + 1), "s3://phenoloop/images/1.jpg"))

    with pytest.raises(LabelStudioUnavailable):
        prelabel(backend(chain=FakeChain(before=predicted.append), label_studio=label_studio), 3, range(1, 3 * LOT + 1))

    assert len(predicted) == 2 * LOT


def test_jobs_carry_chunks_of_task_ids_and_nothing_else():
    queue = FakeQueue()

    enqueue_prelabel(queue, 3, list(range(CHUNK + 1)))

    assert [job.args for job in queue.jobs] == [(3, list(range(CHUNK))), (3, [CHUNK])]
    assert resolve_name(JOB.replace(".prelabel_chunk", ":prelabel_chunk")) is prelabel_chunk
    assert {job.func for job in queue.jobs} == {JOB}


def test_a_silent_redis_is_an_error_that_may_pass():
    with pytest.raises(QueueUnavailable) as caught:
        enqueue_prelabel(FakeQueue(RedisDown("down")), 3, [1])

    assert caught.value.retryable


def test_what_a_job_has_no_time_for_is_tried_again_after_the_others_are_stored():
    label_studio, gate = FakeLabelStudio(PHOTOS), Gate("2.jpg")
    served = backend(chain=FakeChain(before=gate), label_studio=label_studio, job_deadline_s=0.3)

    try:
        with pytest.raises(TimeOver):
            prelabel(served, 3, [1, 2, 3])
    finally:
        gate.open()

    assert [p["task"] for p in label_studio.stored] == [1, 3]
