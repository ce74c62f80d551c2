"""A stand-in for a serving container: echoes what it gets, and misbehaves on command."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(500 if os.environ.get("BEHAVIOUR") == "mute" else 200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match body.decode(errors="replace").split():
            case ["crash"]:
                os._exit(3)
            case ["sleep", seconds]:
                time.sleep(float(seconds))
                self._answer(200, b"{}")
            case ["fail", status]:
                self._answer(int(status), b"it hurts")
            case ["flood"]:
                self._answer(200, b"x" * 7_000_000)
            case _:
                self._answer(200, json.dumps(self._seen(body)).encode())

    def _seen(self, body):
        model = Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model"
        return {
            "pid": os.getpid(),
            "bytes": len(body),
            "body": body[:1000].decode(errors="replace"),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "environment": dict(os.environ),
            "model": {str(p.relative_to(model)): p.read_text() for p in sorted(model.rglob("*")) if p.is_file()},
        }

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if attributes := self.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", attributes)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    sys.stderr.write("container speaking\n")
    if os.environ.get("BEHAVIOUR") == "exit":
        sys.exit(1)
    time.sleep(float(os.environ.get("START_S", "0")))
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
