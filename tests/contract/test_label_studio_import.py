"""Making tasks through the API, against recordings of Label Studio 1.23.2."""

from phenoloop.labelling.client import LabelStudio
from tests.contract.recorded_label_studio import RecordedLabelStudio, recorded


def test_tasks_are_made_and_their_data_completed_as_recorded():
    with RecordedLabelStudio(recorded("api_import")) as server:
        label_studio = LabelStudio(server.url, "token", attempts=1)
        photo = {"image": "s3://phenoloop/images/x.jpg"}
        assert label_studio.import_tasks(1, [photo]) == 1
        label_studio.update_task_data(7, {**photo, "group": "plot 1"})
        assert server.is_finished
