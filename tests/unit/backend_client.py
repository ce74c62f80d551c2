"""Asks the backend's app, with fakes behind it."""

import base64

from ml_backend.app import create_app
from tests.unit.backend_fakes import backend

ROUTES = [("GET", "/versions"), ("POST", "/setup"), ("POST", "/predict"), ("POST", "/webhook"), ("GET", "/metrics")]


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


KNOWN = basic("phenoloop", "pässword of tests")


def client(**parts):
    served = backend(**parts)
    return create_app(served, served.settings).test_client()


def error_of(response):
    body = response.get_json()
    assert response.content_type == "application/json"
    assert "Traceback" not in response.text
    assert 'File "' not in response.text
    return body["error"]
