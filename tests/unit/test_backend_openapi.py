import re
from http import HTTPStatus
from typing import Any

import pytest
from flask.testing import FlaskClient

from ml_backend.app import create_app
from ml_backend.openapi import openapi_document
from tests.unit.backend_fakes import BOXES, backend, tasks

CREDENTIALS = ("phenoloop", "pässword of tests")


@pytest.fixture
def client() -> FlaskClient:
    fake = backend()
    return create_app(fake, fake.settings).test_client()


def test_the_document_tells_of_every_path_and_its_methods() -> None:
    fake = backend()
    served = {
        (rule.rule, method.lower())
        for rule in create_app(fake, fake.settings).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = {(path, method) for path, methods in openapi_document()["paths"].items() for method in methods}
    assert told == served


def test_the_document_is_served_to_those_who_belong(client: FlaskClient) -> None:
    assert client.get("/openapi.json").status_code == HTTPStatus.UNAUTHORIZED
    assert client.get("/openapi.json", auth=CREDENTIALS).get_json() == openapi_document()


def test_what_the_document_refers_to_is_there() -> None:
    document = openapi_document()
    referred = set(re.findall(r"#/components/schemas/(\w+)", repr(document)))
    assert referred <= set(document["components"]["schemas"])


@pytest.mark.parametrize(
    "body",
    [
        {"tasks": tasks("a.jpg"), "label_config": ""},
        {"tasks": [0] * 100_000, "label_config": BOXES},
        {"tasks": [{"data": {}, "id": "x" * 100_000}], "label_config": BOXES},
    ],
    ids=["no configuration", "wrong tasks", "a long wrong value"],
)
def test_a_wrong_body_is_refused_in_a_few_words(client: FlaskClient, body: dict[str, Any]) -> None:
    answer = client.post("/predict", json=body, auth=CREDENTIALS)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert len(answer.get_json()["problems"]) == 1
    assert len(answer.data) < 1000
