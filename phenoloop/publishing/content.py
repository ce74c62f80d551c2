"""What is published of a release: the source tree of a small package, with the release's manifest beside the code."""

import json
import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from string import Template

from phenoloop.chain.release import Release
from phenoloop.errors import ModuleRefused

MODULE = "loc360"
REQUIREMENTS = ("numpy>=2.0", "opencv-python-headless>=4.11", "pillow>=11")
"""All that the module needs; no more than our own."""

Files = Mapping[str, bytes]
"""Path, with slashes -> content."""

_PYPROJECT = Template("""\
[project]
name = "$module"
version = "$version"
description = "The Loc360 module of release $release"
readme = "README.md"
requires-python = ">=3.11"
dependencies = $requirements

[build-system]
requires = ["uv_build>=0.8,<1"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-root = ""
""")
_README = Template("""\
# Loc360 module, release $release

`$module/` is the module that Loc360 imports: `sagemaker_preprocess` and `process`. `$module/manifest.json` says which
release it speaks for. It needs $requirements.

| | |
|---|---|
| `dl_model_name` of call 1 | `$detector_model` |
| `dl_model_name` of call 2 | `$segmenter_model` |
| endpoint of call 1 | `$detector_endpoint` |
| endpoint of call 2 | `$segmenter_endpoint` |

Written by `phenoloop loc360 publish`, which replaces what is changed here. Each release has a tag of its name; the
branch is at the one that was published last.
""")


def module_files(release: Release) -> Files:
    """The whole tree; the same release gives the same bytes.

    Raises ModuleRefused if the release was made with other code of the module than this process has.
    """
    manifest = json.dumps(release.manifest, indent=2, sort_keys=True) + "\n"
    return {
        **code_of(release),
        f"{MODULE}/manifest.json": manifest.encode(),
        "pyproject.toml": _filled(_PYPROJECT, release, requirements=json.dumps(REQUIREMENTS)),
        "README.md": _filled(_README, release, requirements=", ".join(REQUIREMENTS)),
    }


def code_of(release: Release) -> dict[str, bytes]:
    """The module's Python files. Raises ModuleRefused if they are not what the release was named for."""
    expected = Release.named(
        package_arn=release.package_arn,
        detector=release.detector,
        segmenter=release.segmenter,
        manifest=release.manifest,
    )
    if expected.name != release.name:
        raise ModuleRefused(
            "The release was made with other code of the loc360 module.",
            cure="Run the version of phenoloop that made it live.",
            release=release.name,
            with_this_code=expected.name,
        )
    return dict(sorted(_python_files(resources.files(MODULE), MODULE)))


def version_of(release: Release) -> str:
    """PEP 440: the model package's version, then the release, without the dash since a version may hold none there."""
    package_version = re.search(r"/(\d+)$", release.package_arn)
    return f"{package_version[1] if package_version else 0}+{re.sub('[^a-z0-9]', '', release.name.lower())}"


def _python_files(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found = []
    for item in folder.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            found += _python_files(item, f"{path}/{item.name}")
        elif item.name.endswith(".py"):
            found.append((f"{path}/{item.name}", item.read_bytes()))
    return found


def _filled(template: Template, release: Release, *, requirements: str) -> bytes:
    return template.substitute(
        module=MODULE,
        release=release.name,
        version=version_of(release),
        requirements=requirements,
        detector_model=release.manifest["detector_model"],
        segmenter_model=release.manifest["segmenter_model"],
        detector_endpoint=release.detector.endpoint,
        segmenter_endpoint=release.segmenter.endpoint,
    ).encode()
