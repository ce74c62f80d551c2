"""A stand-in for a training image: notes what it finds, and does what its environment says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def main():
    role = BASE / ("model" if sys.argv[1:2] == ["train"] else "processing/output/report")
    role.mkdir(parents=True, exist_ok=True)
    (role / f"seen{suffix()}.json").write_text(json.dumps(seen()))
    if notes := os.environ.get("NOTES"):
        with Path(notes).open("a") as file:
            file.write(f"{os.environ.get('WHO', 'job')} {os.getpid()}\n")
    if os.environ.get("STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.environ.get("OFFSPRING"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (role / "child.txt").write_text(str(child.pid))
    if text := os.environ.get("REPORT"):
        (role / "report.json").write_text(text)
    if data := os.environ.get("OUTPUT_DATA"):
        (BASE / "output/data/data.txt").write_text(data)
    if text := os.environ.get("CHECKPOINT"):  # one line more at each start
        with (BASE / "checkpoints/lines.txt").open("a") as file:
            file.write(f"{text}\n")
    if text := os.environ.get("EVENTS"):
        (BASE / "output/tensorboard/events").write_text(text)
    sys.stderr.write(os.environ.get("SAYS", "job speaking") + "\n")
    deadline_s = time.monotonic() + float(os.environ.get("SLEEP_S", "0"))
    while time.monotonic() < deadline_s and not Path(os.environ.get("GO", "/none")).exists():
        time.sleep(0.02)
    if os.environ.get("KILLED"):
        os.kill(os.getpid(), signal.SIGKILL)
    if (why := os.environ.get("FAIL")) and os.environ.get("FAILING_HOST", host()) == host():
        file = "failure" if sys.argv[1:2] == ["train"] else "message"
        (BASE / "output").mkdir(exist_ok=True)
        (BASE / "output" / file).write_text(why)
        sys.exit(3)


def cluster():
    files = [BASE / "config/resourceconfig.json", BASE / "input/config/resourceconfig.json"]
    return json.loads(next(file for file in files if file.exists()).read_text())


def host():
    return cluster()["current_host"]


def suffix():
    return f"-{host()}" if len(cluster()["hosts"]) > 1 else ""


def seen():
    files = {str(p.relative_to(BASE)): p.read_text(errors="replace") for p in sorted(BASE.rglob("*")) if p.is_file()}
    return {"files": files, "environment": dict(os.environ), "arguments": sys.argv[1:], "nice": os.nice(0)}


if __name__ == "__main__":
    main()
