import pytest
from label_studio_ml.model import LabelStudioMLBase
from pydantic import ValidationError

from ml_backend.model import PhenoloopModel, phenoloop_model
from tests.unit.backend_fakes import BOXES, MASKS, backend, tasks


class SecondBase:
    """The constructor of label-studio-ml 2.x."""

    def __init__(self, project_id=None, label_config=None):
        self.label_config = label_config


def under_2x(served):
    methods = {name: vars(PhenoloopModel)[name] for name in ("predict", "fit")}
    return type("Model", (SecondBase,), {**methods, "backend": served})


def test_it_is_a_label_studio_ml_model_that_overrides_predict_and_fit_only():
    assert issubclass(PhenoloopModel, LabelStudioMLBase)
    own = {name for name, value in vars(PhenoloopModel).items() if callable(value) and not name.startswith("__")}
    assert own == {"predict", "fit"}


@pytest.mark.parametrize("bind", [phenoloop_model, under_2x])
def test_a_server_that_makes_the_model_with_the_configuration_gets_its_regions(bind):
    model = bind(backend())(label_config=BOXES)

    (item,) = model.predict(tasks("a.jpg"), context=None, login=None, password=None)

    assert item["result"][0]["from_name"] == "box"


def test_a_configuration_given_with_the_tasks_wins():
    (item,) = phenoloop_model(backend())(label_config=BOXES).predict(tasks("a.jpg"), label_config=MASKS)

    assert item["result"][0]["from_name"] == "mask"


def test_two_backends_have_models_of_their_own():
    first, second = backend(), backend()

    assert (phenoloop_model(first).backend, phenoloop_model(second).backend) == (first, second)


def test_tasks_of_another_form_are_refused():
    with pytest.raises(ValidationError):
        phenoloop_model(backend())(label_config=BOXES).predict([{"id": 1}])


def test_there_is_nothing_to_fit():
    model = phenoloop_model(backend())()

    assert model.fit((), workdir=None) == {}
    assert model.fit("ANNOTATION_CREATED", data={}) == {}
