"""What the deployment's files promise: nobody is root, and nothing is writable, open or unlimited that need not be."""

import ipaddress
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from phenoloop.aws.settings import SETTINGS
from phenoloop.settings import Settings
from tests.integration.deployment_files import (
    COMPOSE,
    DOCKERFILES,
    OURS,
    REPOSITORY,
    Instruction,
    command,
    compose,
    environment,
    filled_in,
    services,
    stages,
)

pytestmark = pytest.mark.integration

SERVICES = sorted(services())


def tool(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_follows_its_specification() -> None:
    tool(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml"])
def test_a_workflow_follows_its_specification(name: str) -> None:
    workflow = str(REPOSITORY / ".github" / "workflows" / name)
    tool(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_a_dockerfile_has_no_fault_that_hadolint_knows(file: Path) -> None:
    tool(str(Path(sys.executable).with_name("hadolint")), str(file))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name: str) -> None:
    service = services()[name]
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all("nosuid" in place and "nodev" in place for place in service["tmpfs"])
    executable = {place.partition(":")[0] for place in service["tmpfs"] if "noexec" not in place}
    assert executable == ({"/build"} if name in {"sync", "operator"} else set())
    assert service.get("environment", {}).get("TMPDIR") == ("/build" if executable else None)
    assert service.keys() >= {"mem_limit", "cpus", "pids_limit", "restart"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_tells_whether_it_is_well(name: str) -> None:
    assert "healthcheck" in services()[name] or name in OURS  # ours have it in the image
    for other, condition in services()[name].get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert other in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_whole_version(name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?(-alpine)?$", services()[name]["image"])


def test_only_label_studio_is_reached_from_outside_and_from_this_machine_unless_told_otherwise() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"label-studio": ["${LABEL_STUDIO_BIND:-127.0.0.1}:8080:8080"]}


def test_database_and_queue_reach_nothing_and_are_reached_by_their_own_only() -> None:
    members = {
        network: {name for name, service in services().items() if network in service["networks"]}
        for network in compose()["networks"]
    }
    assert members == {
        "front": {"label-studio", *OURS},
        "database": {"label-studio", "postgres"},
        "jobs": {"redis", *OURS},
    }
    assert all(compose()["networks"][name]["internal"] for name in ("database", "jobs"))


def subnet(network: str) -> Any:
    return ipaddress.ip_network(compose()["networks"][network]["ipam"]["config"][0]["subnet"])


def test_label_studio_may_call_the_backends_network_and_no_other_private_one() -> None:
    variables = services()["label-studio"]["environment"]
    assert variables["USE_DEFAULT_BANNED_SUBNETS"] == "false"
    banned = [ipaddress.ip_network(text) for text in variables["USER_ADDITIONAL_BANNED_SUBNETS"].split(",")]
    old = [network for network in banned if network.version == 4]

    def is_banned(network: Any) -> bool:
        return any(network.subnet_of(other) for other in ipaddress.collapse_addresses(old))

    for place in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"):
        assert is_banned(ipaddress.ip_network(place))
    for other in ipaddress.ip_network("172.16.0.0/12").address_exclude(subnet("front")):
        assert is_banned(other)
    assert not any(network.overlaps(subnet("front")) for network in old)


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_compose_file(name: str) -> None:
    variables = services()[name].get("environment", {})
    secret = re.compile(r"PASSWORD$|TOKEN$|SECRET|ACCESS_KEY")
    switches = {"LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN", "PHENOLOOP_SECRETS"}
    assert [variable for variable in variables if secret.search(variable) and variable not in switches] == []


def test_every_secret_is_used_and_made_by_the_script() -> None:
    used = {
        secret if isinstance(secret, str) else secret["source"]
        for service in services().values()
        for secret in service.get("secrets", ())
    }
    script = (REPOSITORY / "infra" / "docker" / "make-secrets").read_text()
    made = set(re.findall(r"^make (\w+)", script, re.MULTILINE)) | {f"aws_{user}" for user in _words_of_loop(script)}
    assert compose()["secrets"].keys() == used | {"redis_password"} == made
    assert "/secrets/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def _words_of_loop(script: str) -> list[str]:
    (words,) = re.findall(r"^for user in (.*); do$", script, re.MULTILINE)
    return str(words).split()


@pytest.mark.parametrize("name", OURS)
def test_what_the_stack_says_of_settings_reaches_the_service(name: str) -> None:
    variables = services()[name]["environment"]
    assert set(SETTINGS.values()) <= variables.keys()
    assert [value for value in variables.values() if ":-" in str(value)] == []  # empty, it would win over the file


@pytest.mark.parametrize("name", OURS)
def test_the_settings_file_that_is_named_is_the_one_that_is_mounted(name: str) -> None:
    service = services()[name]
    assert service["configs"] == [{"source": "settings", "target": service["environment"]["PHENOLOOP_CONFIG"]}]
    file = REPOSITORY / filled_in(compose()["configs"]["settings"]["file"], {})
    assert yaml.safe_load(file.read_text()) is None


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    service = services()[name]
    given = [variable for variable in service["environment"] if variable.startswith("PHENOLOOP_")]
    given += [secret["target"] for secret in service["secrets"] if secret["target"].startswith("PHENOLOOP_")]
    for variable in set(given) - {"PHENOLOOP_SECRETS", "PHENOLOOP_CONFIG"}:
        fields: Any = Settings.model_fields
        for part in variable.removeprefix("PHENOLOOP_").lower().split("__"):
            annotation = fields[part].annotation
            fields = getattr(annotation, "model_fields", {})


_GIT = "apt-get update && apt-get install --yes --no-install-recommends git openssh-client"
"""With which sync pushes the Loc360 module."""


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_an_image_holds_no_compiler_and_starts_as_nobody(file: Path) -> None:
    *_, last = stages(file)
    runs = [item.text.replace(_GIT, "") for item in last if item.word == "RUN"]
    assert not [text for text in runs if re.search(r"\b(apt|apt-get|pip|uv) ", text)]
    users = [item.text for item in last if item.word == "USER"]
    # SageMaker gives its jobs /opt/ml as root's
    assert users == ([] if file.stem == "training" else ["10001:10001"])
    assert any(item.word in {"CMD", "ENTRYPOINT"} for item in last)
    assert [item.text.split()[0] for item in (stage[0] for stage in stages(file))] == [
        "python:3.11.14-slim-bookworm"
    ] * 2


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_what_an_image_copies_is_there_and_reaches_the_builder(file: Path) -> None:
    let_through = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in (source for stage in stages(file) for item in stage for source in copied(item)):
        assert (REPOSITORY / source).exists()
        assert any(fnmatch(source, allowed) or source.startswith(f"{allowed}/") for allowed in let_through)


def copied(item: Instruction) -> list[str]:
    return item.words[:-1] if item.word == "COPY" and "--from" not in item.text else []


def test_the_images_health_check_asks_where_compose_says() -> None:
    *_, last = stages(REPOSITORY / "infra" / "docker" / "phenoloop.Dockerfile")
    assert "HEALTH_URL" in " ".join(command(last, "HEALTHCHECK"))
    assert environment(last)["HEALTH_URL"] == services()["backend"]["environment"]["HEALTH_URL"]
    for name in ("worker", "sync"):
        variables = services()[name]["environment"]
        assert variables["HEALTH_URL"] == f"http://127.0.0.1:{variables['PHENOLOOP_MONITORING__PORT']}/health"
