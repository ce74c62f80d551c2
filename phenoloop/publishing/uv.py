"""uv, which builds the wheel and makes the clean environment."""

import os
import subprocess
import tempfile

from uv import find_uv_bin

from phenoloop.errors import ModuleNotBuilt

TIMEOUT_S = 600.0


def uv(*arguments: str) -> None:
    """Raises ModuleNotBuilt. Away from any project, whose settings are no business of the module's."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    what = " ".join(arguments[:2])
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            subprocess.run(
                [find_uv_bin(), "--quiet", *arguments], env=environment, capture_output=True, text=True, check=True,
                cwd=elsewhere, timeout=TIMEOUT_S,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            cure = f"uv says: {error.stderr.strip()[-800:]}"
            raise ModuleNotBuilt("The module could not be built or installed.", cure=cure, command=what) from error
        except subprocess.TimeoutExpired as error:
            cure = "Is the package index reachable?"
            raise ModuleNotBuilt("uv took too long.", cure=cure, command=what, timeout_s=TIMEOUT_S) from error
