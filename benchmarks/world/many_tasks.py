"""A Label Studio of one project with as many tasks as one likes, each made when it is asked for. Counts requests."""

import json
import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


class ManyTasks:
    """`with ManyTasks(1_000_000, uris, config) as label_studio: ... label_studio.url, label_studio.requests`

    Of the list's filters it knows `id` and what lacks a version, which is all that pre-labelling asks of open tasks.
    """

    def __init__(self, count: int, photo_uris: Sequence[str], label_config: str) -> None:
        """Tasks have the ids 1 to `count` and share the photos."""
        self.count, self._uris = count, photo_uris
        self._project = {"id": 1, "title": "many tasks", "label_config": label_config, "model_version": ""}
        self._predicted: set[int] = set()
        self.requests: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ManyTasks":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, target: str, body: Any) -> Any:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.requests[f"{method} {path}"] += 1
        if path == "/api/projects/1/":
            return self._project
        if path == "/api/tasks/":
            return self._listed(json.loads(query["query"][0]), int(query["page_size"][0]))
        if path == "/api/projects/1/import/predictions":
            self._predicted.update(prediction["task"] for prediction in body)
            return {"created": len(body)}
        raise LookupError(target)

    def _listed(self, asked: Any, page_size: int) -> Any:
        wanted = {item["filter"].removeprefix("filter:tasks:"): item["value"] for item in asked["filters"]["items"]}
        if "total_predictions" in wanted:
            return {"tasks": [], "total": 0}
        ids, total = self._page(asked.get("selectedItems"), wanted.get("id", 0), page_size)
        shared = {"predictions": [], "total_annotations": 0, "cancelled_annotations": 0}
        images = {id_: self._uris[id_ % len(self._uris)] for id_ in ids}
        return {"tasks": [{"id": id_, "data": {"image": image}, **shared} for id_, image in images.items()],
                "total": total}  # fmt: skip

    def _page(self, selected: Any, after: int, page_size: int) -> tuple[list[int], int]:
        """Ids, and how many there are from the first of them on."""
        if selected:
            ids = [id_ for id_ in sorted(selected["included"]) if id_ > after and id_ not in self._predicted]
            return ids[:page_size], len(ids)
        return list(range(after + 1, min(after + page_size, self.count) + 1)), self.count - after


def _handler(label_studio: ManyTasks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(label_studio.answer(self.command, self.path, json.loads(sent or "null"))).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body)

        do_GET = do_POST = _answer  # noqa: N815  # the names are http.server's

    return Handler
