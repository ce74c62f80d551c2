"""The examples that connecting starts from can be used as they are."""

import json
from pathlib import Path

import pytest

from loc360.manifest import Manifest
from phenoloop.settings import read_settings

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_example_settings_need_only_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHENOLOOP_CONFIG", str(CONFIGS / "connect.example.yaml"))
    monkeypatch.setenv("PHENOLOOP_LABEL_STUDIO", '{"token": "t"}')
    monkeypatch.setenv("PHENOLOOP_BACKEND__PASSWORD", "p" * 12)

    settings = read_settings()

    assert settings.label_studio.url == "https://label-studio.example.org"
    assert settings.storage.image_buckets == {"my-phenotyping-bucket", "my-photo-archive"}
    assert settings.backend.label_map == {"tomato_red": "tomato"}


def test_the_example_manifest_lacks_only_the_release() -> None:
    values = json.loads((CONFIGS / "manifest.example.json").read_text())

    assert Manifest.from_dict(values | {"release": "r"}).labels == ("carrot", "tomato_red")
