"""`python -m loc360.conformance MODULE PHOTO...`: the check, for whoever answers for the models.

Lines of JSON. Out: `{"model": ..., "payload": ...}`; in: `{"reply": ...}`; at the end, out:
`{"breaches": [{"rule", "did", "expected", "seen"}], "unchecked": [rule]}`, and exit status 1 if there are breaches.
"""

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from typing import Any

from loc360.conformance import check_module
from loc360.manifest import Manifest, bundled_manifest


def main() -> int:
    options = _options()
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a module prints is no line of ours

    def invoke(model: str, payload: str) -> str:
        lines.write(json.dumps({"model": model, "payload": payload}) + "\n")
        line = sys.stdin.readline()
        if not line:
            raise SystemExit("Nobody answers for the models.")
        return str(json.loads(line)["reply"])

    properties: dict[str, Any] = json.loads(options.properties)
    models, release = options.models, options.release
    if not (models and release):
        given = properties.get("manifest")
        manifest = bundled_manifest() if given is None else Manifest.from_dict(given)
        models = models or (manifest.detector_model, manifest.segmenter_model)
        release = release or manifest.release
    report = check_module(
        importlib.import_module(options.module),
        options.photos,
        invoke,
        models=models,
        release=release,
        properties=properties,
    )
    lines.write(json.dumps(asdict(report)) + "\n")
    return 1 if report.breaches else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loc360.conformance", description=__doc__)
    parser.add_argument("module")
    parser.add_argument("photos", nargs="+", metavar="photo", help="A good photo with something on it.")
    parser.add_argument("--models", nargs=2, help="dl_model_name of call 1 and 2; else the manifest's.")
    parser.add_argument("--release", help="What every reply says that it is of; else the manifest's.")
    parser.add_argument("--properties", default="{}", help="JSON, given with every call.")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
