from pathlib import Path

import pytest

from loc360.wire import Box
from tests.unit.fake_models import Painted, paint, save


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """400 x 300, a tomato on grey."""
    return save(paint(400, 300, [Painted("tomato", Box(100, 100, 200, 150))]), tmp_path / "photo.png")
