"""Everything behind the port: the nouns that calls name, and the machinery that does what they ask for."""

import time

import boto3
from botocore.config import Config

from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.sagemaker.calls import DEFAULT_REGION, Handler, Noun
from phenoloop.local_aws.sagemaker.containers import Launcher
from phenoloop.local_aws.sagemaker.endpoint_configs import EndpointConfigs
from phenoloop.local_aws.sagemaker.endpoints import Endpoints
from phenoloop.local_aws.sagemaker.events import Events
from phenoloop.local_aws.sagemaker.hosting import Hosting
from phenoloop.local_aws.sagemaker.jobs.processing import Processing
from phenoloop.local_aws.sagemaker.jobs.processing_jobs import ProcessingJobs
from phenoloop.local_aws.sagemaker.jobs.runner import JobRunner
from phenoloop.local_aws.sagemaker.jobs.training import Training
from phenoloop.local_aws.sagemaker.jobs.training_jobs import TrainingJobs
from phenoloop.local_aws.sagemaker.model_data import ModelData
from phenoloop.local_aws.sagemaker.model_package_groups import ModelPackageGroups
from phenoloop.local_aws.sagemaker.model_packages import ModelPackages
from phenoloop.local_aws.sagemaker.models import Models
from phenoloop.local_aws.sagemaker.orphans import kill_orphans
from phenoloop.local_aws.sagemaker.pipelines.executions import Executions
from phenoloop.local_aws.sagemaker.pipelines.executor import Executor
from phenoloop.local_aws.sagemaker.pipelines.pipelines import Pipelines
from phenoloop.local_aws.sagemaker.pipelines.steps import Steps
from phenoloop.local_aws.sagemaker.replica import Workshop
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.settings import ServerSettings
from phenoloop.local_aws.sagemaker.shapes import Shapes
from phenoloop.local_aws.sagemaker.store import Store
from phenoloop.local_aws.sagemaker.tags import Tags

QUICK = Config(connect_timeout=5)
PATIENT = Config(connect_timeout=5, max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 8})
"""Jobs outlast a restart of S3."""
UNREPEATED = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})


class Service:
    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._store = Store(settings.data_dir / "sagemaker.sqlite")
        self._model_data = ModelData(boto3.client("s3", region_name=DEFAULT_REGION, config=QUICK))
        self._files = S3Files(boto3.client("s3", region_name=DEFAULT_REGION, config=PATIENT))
        events = boto3.client("events", region_name=DEFAULT_REGION, config=UNREPEATED)
        self._events = Events(events, settings.event_source)
        self._launcher = Launcher(settings.images, settings.environment, REPOSITORY)
        self.hosting = Hosting(self._workshop(), settings.data_dir)
        self._runner = self._job_runner()
        self._shapes = Shapes()
        step_operations = self._step_operations()
        self._executor = Executor(
            self._store, Steps(step_operations, self._shapes), self._files, self._events.execution_changed
        )
        self.handlers = step_operations | self._other_operations()

    def resume(self) -> None:
        """Take up what an earlier server left."""
        kill_orphans(self._store, stop_timeout_s=self._settings.stop_timeout_s)
        self.hosting.resume()
        self._runner.resume()
        self._executor.resume()

    def interrupt(self, training_job: str) -> bool:
        """As when EC2 takes its spot instances away; False if there is no such job at work."""
        return self._runner.interrupt(training_job)

    def stop(self) -> None:
        """Stop every container; records stay as they are."""
        deadline_s = time.monotonic() + self._settings.stop_timeout_s + 2
        self._executor.stop()
        self._runner.put_off()
        self.hosting.stop(timeout_s=deadline_s - time.monotonic())
        self._runner.join(timeout_s=deadline_s - time.monotonic())

    def _step_operations(self) -> dict[str, Handler]:
        """What the steps of a pipeline may call."""
        store, images = self._store, self._settings.images
        return _handlers(
            ProcessingJobs(store, images, self._runner),
            TrainingJobs(store, images, self._runner),
            ModelPackages(store, on_change=[self._events.package_changed]),
        )

    def _other_operations(self) -> dict[str, Handler]:
        store = self._store
        return _handlers(
            Models(store, self._settings.images, self._model_data),
            EndpointConfigs(store),
            Endpoints(store, self.hosting),
            ModelPackageGroups(store),
            Pipelines(store, self._shapes, self._files),
            Executions(store, self._executor),
            Tags(store),
        )

    def _workshop(self) -> Workshop:
        return Workshop(
            launcher=self._launcher,
            model_data=self._model_data,
            store=self._store,
            startup_timeout_s=self._settings.startup_timeout_s,
            stop_timeout_s=self._settings.stop_timeout_s,
        )

    def _job_runner(self) -> JobRunner:
        return JobRunner(
            self._launcher,
            self._store,
            self._files,
            (Processing(self._files), Training(self._files)),
            self._settings.data_dir,
            stop_timeout_s=self._settings.job_stop_timeout_s,
            shutdown_timeout_s=self._settings.stop_timeout_s,
        )


def _handlers(*nouns: Noun) -> dict[str, Handler]:
    return {operation: handler for noun in nouns for operation, handler in noun.handlers().items()}
