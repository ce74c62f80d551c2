"""Plays recorded exchanges with Label Studio back over HTTP, in their order; an unrecorded request gets 599."""

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

RECORDED = Path(__file__).parents[1] / "recorded" / "label_studio"

Exchange = dict[str, Any]


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


class RecordedLabelStudio:
    """`with RecordedLabelStudio(exchanges) as server: ... server.url, server.authorizations`"""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._coming = list(exchanges)
        self.authorizations: list[str | None] = []
        self._server = make_server("127.0.0.1", 0, self._answer)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.port}"

    @property
    def is_finished(self) -> bool:
        return not self._coming

    def __enter__(self) -> "RecordedLabelStudio":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environment: Any, start_response: Any) -> Any:
        request = Request(environment)
        self.authorizations.append(request.headers.get("Authorization"))
        sent = request.get_json(silent=True)
        if not self._coming:
            return Response("nothing more was recorded", status=599)(environment, start_response)
        expected = self._coming[0]
        asked = {"method": request.method, "path": request.path, "parameters": request.args.to_dict(), "sent": sent}
        if any(asked[name] != expected[name] for name in asked):
            text = json.dumps({"asked": asked, "recorded": expected})
            return Response(text, status=599)(environment, start_response)
        self._coming.pop(0)
        answer = expected["answer"]
        body = answer if isinstance(answer, str) else "" if answer is None else json.dumps(answer)
        content_type = expected.get("content_type", "application/json")
        response = Response(body, status=expected["status"], content_type=content_type)
        return response(environment, start_response)
