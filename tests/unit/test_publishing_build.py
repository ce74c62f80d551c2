import hashlib
import json
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from loc360.manifest import Manifest
from phenoloop.chain.release import Release
from phenoloop.errors import ModuleRefused
from phenoloop.publishing.build import Built, build
from phenoloop.publishing.content import REQUIREMENTS, module_files, version_of
from tests.unit.published_things import named_release

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release() -> Release:
    return named_release(crop_margin=0.4)


@pytest.fixture(scope="module")
def built(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(release, tmp_path_factory.mktemp("dist"))


def test_the_same_release_gives_the_same_bytes(release: Release, built: Built, tmp_path: Path) -> None:
    again = build(release, tmp_path)

    for one, other in ((built.wheel, again.wheel), (built.archive, again.archive)):
        assert one.name == other.name
        assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


def test_another_release_has_other_files(built: Built, tmp_path: Path) -> None:
    assert build(named_release(), tmp_path).wheel.name != built.wheel.name


@pytest.mark.parametrize("kind", ["wheel", "archive"])
def test_the_releases_manifest_lies_beside_the_code(release: Release, built: Built, kind: str) -> None:
    with zipfile.ZipFile(getattr(built, kind)) as opened:
        manifest = Manifest.from_dict(json.loads(opened.read("loc360/manifest.json")))
        code = opened.read("loc360/module.py")

    assert manifest.release == release.name
    assert manifest.crop_margin == 0.4
    assert code == (REPOSITORY / "loc360" / "module.py").read_bytes()


def test_the_folder_of_the_zip_can_be_imported_where_it_lies(release: Release, built: Built, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.archive) as opened:
        opened.extractall(tmp_path)
    line = "import loc360, loc360.manifest; print(loc360.__file__, loc360.manifest.bundled_manifest().release)"

    done = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(tmp_path / "loc360" / "__init__.py"), release.name]


def test_the_wheel_asks_for_numpy_pillow_and_opencv_only(release: Release, built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(opened.read(name).decode())

    needed = {Requirement(line).name for line in metadata.get_all("Requires-Dist", [])}
    assert needed == {"numpy", "opencv-python-headless", "pillow"}
    assert Version(metadata["Version"]) == Version(version_of(release))


def test_the_module_asks_for_what_we_ask_for_ourselves() -> None:
    ours = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(REQUIREMENTS) <= set(ours)


def test_a_version_is_of_the_package_and_names_the_release() -> None:
    release = named_release()
    version = Version(version_of(release))

    assert str(version) == f"7+{release.name.replace('-', '')}"
    assert Version(version_of(named_release(package_arn="adopted"))) < version


def test_a_release_made_with_other_code_is_refused(release: Release) -> None:
    other = "phenoloop-000000000000"
    stranger = release.model_copy(update={"name": other, "manifest": {**release.manifest, "release": other}})

    with pytest.raises(ModuleRefused, match="other code"):
        module_files(stranger)


def test_the_check_of_a_module_is_no_part_of_what_names_a_release(release: Release) -> None:
    """Its files go out with the module, but a change of theirs must not have every open task predicted anew."""
    assert "loc360/conformance/check.py" in module_files(release)
    assert not list((REPOSITORY / "loc360").glob("conformance*.py"))
