"""The local SageMaker stopped and killed: what comes back, what must not stay."""

import signal

from tests.contract.sagemaker_server import SageMakerServer, is_running, unique, wait_until
from tests.contract.sagemaker_steps import make_group, register

pytest_plugins = ("tests.contract.sagemaker_fixtures",)


def test_endpoints_come_back_after_a_restart(own_sagemaker_server: SageMakerServer) -> None:
    server = own_sagemaker_server
    kept, failed = server.deploy(GREETING="hi"), server.deploy(BEHAVIOUR="exit", wait=False)
    package = register(server.control, make_group(server.control))
    wait_until(lambda: server.status(failed) == "Failed")
    pid = server.invoke(kept)["pid"]
    server.stop()
    assert not is_running(pid)
    server.start()
    assert server.status(kept) in {"SystemUpdating", "InService"}
    server.wait_in_service(kept)
    assert server.invoke(kept)["environment"]["GREETING"] == "hi"
    assert server.status(failed) == "Failed"
    assert server.control.describe_model_package(ModelPackageName=package)["ModelPackageVersion"] == 1


def test_a_killed_server_leaves_no_container_and_finishes_what_it_began(own_sagemaker_server: SageMakerServer) -> None:
    server = own_sagemaker_server
    kept, updated = server.deploy(), server.deploy()
    server.configure(update := unique("update"), START_S="0.5", GREETING="new")
    server.control.update_endpoint(EndpointName=updated, EndpointConfigName=update)
    coming = server.deploy(START_S="0.5", wait=False)
    containers = server.container_pids()
    assert server.invoke(kept)["pid"] in containers
    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, containers)))
    server.start()
    for name in (kept, coming, updated):
        server.wait_in_service(name)
        assert server.invoke(name)["body"] == "hello"
    assert server.invoke(updated)["environment"]["GREETING"] == "new"


def test_two_servers_do_not_share_a_folder(own_sagemaker_server: SageMakerServer) -> None:
    server = own_sagemaker_server
    assert server.spawn().wait(timeout=20) != 0
    assert "Another SageMaker server uses this data folder" in (server.data_dir / "server.log").read_text()
