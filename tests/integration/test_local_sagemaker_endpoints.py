"""Endpoints of the local SageMaker: real processes behind SageMaker's states, limits and errors."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.sagemaker_server import BUCKET, SageMakerServer, is_running, unique, variant, wait_until
from tests.contract.sagemaker_steps import make_model, refusal

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
pytestmark = pytest.mark.integration


@pytest.fixture
def server(sagemaker_server: SageMakerServer) -> SageMakerServer:
    return sagemaker_server


def test_an_invocation_reaches_the_container_and_comes_back(server: SageMakerServer) -> None:
    name = server.deploy(GREETING="hi")
    reply = server.runtime.invoke_endpoint(
        EndpointName=name,
        Body="grüß".encode(),
        ContentType="application/x-test",
        Accept="application/json",
        CustomAttributes="trace=7",
        InferenceId="i-1",
    )
    seen = json.loads(reply["Body"].read())
    assert seen["body"] == "grüß"
    assert (
        seen["headers"].items()
        >= {
            "content-type": "application/x-test",
            "accept": "application/json",
            "x-amzn-sagemaker-custom-attributes": "trace=7",
            "x-amzn-sagemaker-inference-id": "i-1",
        }.items()
    )
    assert "authorization" not in seen["headers"]
    assert (reply["ContentType"], reply["CustomAttributes"]) == ("application/json", "trace=7")
    assert reply["InvokedProductionVariant"] == "live"


def test_a_container_finds_its_model_its_environment_and_nothing_of_the_host(server: SageMakerServer) -> None:
    seen = server.invoke(server.deploy(GREETING="hi"))
    assert seen["model"] == {"model.json": "{}", "code/inference.py": "#"}
    environment = seen["environment"]
    assert (environment["GREETING"], environment["OMP_NUM_THREADS"]) == ("hi", "1")
    assert environment["AWS_ENDPOINT_URL_S3"].startswith("http://")
    assert "SECRET_OF_THE_HOST" not in environment


def test_an_endpoint_says_where_it_stands_while_it_comes_up(server: SageMakerServer) -> None:
    name = server.deploy(START_S="0.7", wait=False)
    described = server.control.describe_endpoint(EndpointName=name)
    assert described["EndpointStatus"] == "Creating"
    assert described["PendingDeploymentSummary"]["EndpointConfigName"] == name
    assert refusal(server.invoke, name=name)[0] == "ValidationError"
    assert "in-progress endpoint" in refusal(server.control.delete_endpoint, EndpointName=name)[1]
    server.wait_in_service(name)
    assert "PendingDeploymentSummary" not in server.control.describe_endpoint(EndpointName=name)


def test_endpoints_are_listed_by_status(server: SageMakerServer) -> None:
    name = server.deploy()
    for status, expected in (("InService", [name]), ("Failed", [])):
        listed = server.control.list_endpoints(NameContains=name, StatusEquals=status)["Endpoints"]
        assert [endpoint["EndpointName"] for endpoint in listed] == expected


def test_a_missing_endpoint_is_not_found(server: SageMakerServer) -> None:
    refused = refusal(server.invoke, name="not-there")
    assert refused == ("ValidationError", "Endpoint not-there of account 000000000000 not found.")


def test_the_largest_body_passes_and_one_byte_more_does_not(server: SageMakerServer) -> None:
    name = server.deploy()
    assert server.invoke(name, "x" * 6_291_456)["bytes"] == 6_291_456
    with pytest.raises(ClientError) as caught:
        server.invoke(name, "x" * 6_291_457)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (500, "server")])
def test_an_error_of_the_model_is_passed_on(server: SageMakerServer, status: int, kind: str) -> None:
    name = server.deploy()
    with pytest.raises(ClientError) as caught:
        server.invoke(name, f"fail {status}")
    error = caught.value.response
    assert error["Error"]["Code"] == "ModelError"
    assert error["Error"]["Message"].startswith(f'Received {kind} error ({status}) from primary with message "it')
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (error["OriginalStatusCode"], error["OriginalMessage"]) == (status, "it hurts")
    assert error["LogStreamArn"].endswith(f"/aws/sagemaker/Endpoints/{name}")


def test_a_slow_model_is_a_model_error(server: SageMakerServer) -> None:
    code, message = refusal(server.invoke, name=server.deploy(), body="sleep 5")
    assert code == "ModelError"
    assert message.startswith('Received server error (0) from primary with message "Your invocation timed out')


def test_a_reply_over_the_limit_is_a_model_error(server: SageMakerServer) -> None:
    assert refusal(server.invoke, name=server.deploy(), body="flood")[0] == "ModelError"


def test_a_crashed_container_is_started_again(server: SageMakerServer) -> None:
    name = server.deploy()
    before = server.invoke(name)["pid"]
    assert refusal(server.invoke, name=name, body="crash")[0] == "ModelError"
    # whichever comes first: the call, or the news that the process has ended
    assert refusal(server.invoke, name=name)[0] in {"ModelError", "ServiceUnavailable"}
    assert server.status(name) == "InService"
    wait_until(lambda: _serves(server, name))
    assert server.invoke(name)["pid"] != before


def test_a_container_that_keeps_exiting_fails_the_endpoint(server: SageMakerServer) -> None:
    assert "did not pass the ping health check" in _reason_of_failure(server, BEHAVIOUR="exit")


def test_a_container_that_never_answers_ping_fails_the_endpoint(server: SageMakerServer) -> None:
    assert "did not pass the ping health check" in _reason_of_failure(server, BEHAVIOUR="mute")


@pytest.mark.parametrize("key", ["broken.tar.gz", "escaping.tar.gz"])
def test_an_archive_that_can_not_be_unpacked_fails_the_endpoint(server: SageMakerServer, key: str) -> None:
    assert "Failed to extract model data" in _reason_of_failure(server, url=f"s3://{BUCKET}/{key}")
    assert not list(server.data_dir.rglob("escaped"))


def test_a_fault_of_the_host_fails_the_endpoint_with_its_reason(server: SageMakerServer) -> None:
    name = unique("endpoint")
    server.configure(name)
    (server.data_dir / "endpoints").mkdir(exist_ok=True)
    (server.data_dir / "endpoints" / name).write_text("where the endpoint's folder belongs")
    server.control.create_endpoint(EndpointName=name, EndpointConfigName=name)
    wait_until(lambda: server.status(name) == "Failed")
    assert "NotADirectoryError" in server.control.describe_endpoint(EndpointName=name)["FailureReason"]


def test_a_failed_endpoint_can_only_be_deleted(server: SageMakerServer) -> None:
    name = server.deploy(BEHAVIOUR="exit", wait=False)
    wait_until(lambda: server.status(name) == "Failed")
    update = refusal(server.control.update_endpoint, EndpointName=name, EndpointConfigName=name)
    assert update[0] == "ValidationException"
    server.control.delete_endpoint(EndpointName=name)
    wait_until(lambda: not _exists(server, name))


def test_what_a_container_prints_is_in_the_log_of_its_endpoint(server: SageMakerServer) -> None:
    name = server.deploy()
    assert "container speaking" in (server.data_dir / "logs" / f"{name}.log").read_text()


def test_an_update_loses_no_invocation(server: SageMakerServer) -> None:
    name, update = server.deploy(GREETING="old"), unique("update")
    server.configure(update, GREETING="new", START_S="0.5")
    old, done = server.invoke(name)["pid"], threading.Event()

    def greetings() -> list[str]:
        seen = []
        while not done.is_set():
            seen.append(server.invoke(name)["environment"]["GREETING"])
        return seen

    with ThreadPoolExecutor(3) as pool:
        invoking = [pool.submit(greetings) for _ in range(2)]
        server.control.update_endpoint(EndpointName=name, EndpointConfigName=update)
        assert server.status(name) == "Updating"
        # Still under way in the old container when the new one takes over:
        slow = pool.submit(server.runtime.invoke_endpoint, EndpointName=name, Body=b"sleep 1.2")
        server.wait_in_service(name)
        wait_until(lambda: server.invoke(name)["environment"]["GREETING"] == "new")
        done.set()
        assert slow.result()["Body"].read() == b"{}"
    for seen in (invoker.result() for invoker in invoking):
        assert seen[0] == "old"
        assert seen == sorted(seen, reverse=True)
    assert server.control.describe_endpoint(EndpointName=name)["EndpointConfigName"] == update
    wait_until(lambda: not is_running(old))


def test_a_failed_update_leaves_the_old_deployment_serving(server: SageMakerServer) -> None:
    name, update = server.deploy(), unique("update")
    server.configure(update, BEHAVIOUR="exit")
    before = server.invoke(name)["pid"]
    server.control.update_endpoint(EndpointName=name, EndpointConfigName=update)
    server.wait_in_service(name)
    described = server.control.describe_endpoint(EndpointName=name)
    assert described["EndpointConfigName"] == name
    assert "did not pass the ping health check" in described["FailureReason"]
    assert server.invoke(name)["pid"] == before


def test_variants_share_traffic_by_weight_and_can_be_named(server: SageMakerServer) -> None:
    name = unique("endpoint")
    make_model(server.control, name)
    variants = [variant(name, "all", InitialVariantWeight=1.0), variant(name, "none", InitialVariantWeight=0.0)]
    server.control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    server.control.create_endpoint(EndpointName=name, EndpointConfigName=name)
    server.wait_in_service(name)
    invoke = server.runtime.invoke_endpoint
    replies = [invoke(EndpointName=name, Body=b"") for _ in range(8)]
    assert {reply["InvokedProductionVariant"] for reply in replies} == {"all"}
    named = invoke(EndpointName=name, Body=b"", TargetVariant="none")
    assert named["InvokedProductionVariant"] == "none"
    assert refusal(invoke, EndpointName=name, Body=b"", TargetVariant="third")[0] == "ValidationError"


def test_deleting_an_endpoint_ends_its_process_and_forgets_its_files(server: SageMakerServer) -> None:
    name = server.deploy()
    pid = server.invoke(name)["pid"]
    server.control.delete_endpoint(EndpointName=name)
    wait_until(lambda: not _exists(server, name))
    assert not is_running(pid)
    assert not (server.data_dir / "endpoints" / name).exists()


def _serves(server: SageMakerServer, name: str) -> bool:
    try:
        server.invoke(name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServiceUnavailable":
            raise
        return False
    return True


def _exists(server: SageMakerServer, name: str) -> bool:
    return bool(server.control.list_endpoints(NameContains=name)["Endpoints"])


def _reason_of_failure(server: SageMakerServer, **how: Any) -> str:
    name = server.deploy(wait=False, **how)
    wait_until(lambda: server.status(name) == "Failed")
    return str(server.control.describe_endpoint(EndpointName=name)["FailureReason"])
