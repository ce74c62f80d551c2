"""As much of Label Studio as pre-labelling asks for, in memory: one project, whatever its number."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from phenoloop.local_aws.environments import REPOSITORY

LABEL_CONFIG = (REPOSITORY / "configs" / "labelling" / "boxes.xml").read_text()


_OPEN = {"total_annotations": 0, "cancelled_annotations": 0}


@dataclass(slots=True)
class LightLabelStudio:
    images: dict[int, str]
    """By task."""
    url: str = ""
    stored: list[dict[str, Any]] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Any:
        with self._turn:
            if request.path == "/api/tasks/":
                return self._listed(json.loads(request.args["query"]), int(request.args["page_size"]))
            if request.path.endswith("/import/predictions"):
                self.stored += request.get_json()
                return {"created": len(request.get_json())}
            return {"id": 1, "title": "Vegetables", "label_config": LABEL_CONFIG}

    def _listed(self, query: Any, size: int) -> Any:
        found = [id_ for id_ in query.get("selectedItems", {}).get("included", self.images) if self._passes(id_, query)]
        page = sorted(found)[:size]
        return {"tasks": [self._shown(id_) for id_ in page], "total": len(found)}

    def _shown(self, task_id: int) -> dict[str, Any]:
        predictions = [
            {"id": number, "model_version": one["model_version"]}
            for number, one in enumerate(self.stored)
            if one["task"] == task_id
        ]
        return {"id": task_id, "data": {"image": self.images[task_id]}, "predictions": predictions, **_OPEN}

    def _passes(self, task_id: int, query: Any) -> bool:
        versions = [prediction["model_version"] for prediction in self.stored if prediction["task"] == task_id]
        for condition in query.get("filters", {}).get("items", []):
            column, value = condition["filter"].rpartition(":")[2], condition["value"]
            if column == "id" and not task_id > value:
                return False
            if column == "predictions_model_versions" and set(value) & set(versions):
                return False
            if column == "total_predictions" and not len(versions) > value:
                return False
        return True


@contextmanager
def light_label_studio(images: dict[int, str]) -> Iterator[LightLabelStudio]:
    label_studio = LightLabelStudio(images)

    def application(environment: Any, start_response: Any) -> Any:
        body = json.dumps(label_studio.answer(Request(environment)))
        return Response(body, content_type="application/json")(environment, start_response)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    label_studio.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield label_studio
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
