"""`python -m phenoloop.local_aws.sagemaker --port N --data-dir D --container NAME=PYTHON`."""

import argparse
import os
from pathlib import Path

from phenoloop.errors import LocalStackError
from phenoloop.local_aws.sagemaker.containers import Images
from phenoloop.local_aws.sagemaker.server import serve
from phenoloop.local_aws.sagemaker.settings import ServerSettings
from phenoloop.logs import configure_logs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m phenoloop.local_aws.sagemaker", description="SageMaker, locally.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="state, logs and unpacked models")
    parser.add_argument(
        "--container",
        action="append",
        default=[],
        metavar="IMAGE_NAME=PYTHON[:MODULE]",
        help="what to run for an image: PYTHON -m MODULE, by default serving",
    )
    parser.add_argument("--invocation-timeout-s", type=float, default=60.0, help="SageMaker's own limit: 60")
    parser.add_argument("--startup-timeout-s", type=float, default=480.0, help="until /ping must answer 200")
    parser.add_argument("--stop-timeout-s", type=float, default=5.0, help="between SIGTERM and SIGKILL")
    parser.add_argument(
        "--job-stop-timeout-s", type=float, default=120.0, help="the same for jobs; SageMaker's own: 120"
    )
    parser.add_argument("--event-source", default="phenoloop.sagemaker", help="of events put to EventBridge")
    options = parser.parse_args()
    try:
        images = Images.parse(options.container)
    except ValueError as error:
        parser.error(str(error))
    configure_logs()
    settings = ServerSettings(
        host=options.host,
        port=options.port,
        data_dir=options.data_dir.resolve(),
        images=images,
        environment=dict(os.environ),
        invocation_timeout_s=options.invocation_timeout_s,
        startup_timeout_s=options.startup_timeout_s,
        stop_timeout_s=options.stop_timeout_s,
        job_stop_timeout_s=options.job_stop_timeout_s,
        event_source=options.event_source,
    )
    try:
        serve(settings)
    except LocalStackError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
