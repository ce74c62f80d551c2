"""For gunicorn: `gunicorn --worker-class gthread --workers 1 --threads 16 'ml_backend.wsgi:create()'`."""

from flask import Flask

from ml_backend.app import create_app
from ml_backend.bootstrap import build_backend
from phenoloop.logs import configure_logs
from phenoloop.settings import read_settings


def create() -> Flask:
    """Raises SettingsInvalid if the environment is incomplete."""
    configure_logs()
    settings = read_settings()
    return create_app(build_backend(settings), settings.backend)
