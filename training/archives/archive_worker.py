"""`python -m training.archives.archive_worker FOLDER THREADS`: the archive's own handler, over JSON lines.

The other half of `archived_model`. Each line in is a request body; each line out {"reply"} or {"error"}, the first one
{"loaded"}. Imports nothing of ours: the archive brings what it needs, under names that ours have too.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import IO, Any

JSON = "application/json"


def main() -> None:
    folder, os.environ["OMP_NUM_THREADS"] = Path(sys.argv[1]), sys.argv[2]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the archive's code prints goes to the log
    sys.path.insert(0, str(folder / "code"))
    handler = import_module("inference")
    model = handler.model_fn(str(folder))
    _say(answers, {"loaded": True})
    for line in sys.stdin:
        _say(answers, _answer(handler, model, json.loads(line)))


def _answer(handler: Any, model: Any, payload: str) -> dict[str, str]:
    try:
        reply, _ = handler.output_fn(handler.predict_fn(handler.input_fn(payload, JSON), model), JSON)
    except Exception as error:  # noqa: BLE001  # an endpoint, too, answers with an error and lives on
        return {"error": f"{type(error).__name__}: {error}"}
    return {"reply": reply}


def _say(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
