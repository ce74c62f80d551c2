"""The stack's template: sound by cfn-lint, as strict as the policies of `infra/iam`, and small enough to send."""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint.api
import pytest

from phenoloop.aws.costs import ENDPOINT_USD_PER_HOUR, HOURS_A_MONTH, costs
from phenoloop.aws.packages import OURS, PACKAGES, REQUIREMENTS, archive
from phenoloop.aws.settings import OFF, SETTINGS, settings_of, write_settings
from phenoloop.aws.stack import LARGEST_TEMPLATE_BYTES
from phenoloop.aws.template import INFRA, PLACES, stack_template
from phenoloop.settings import StorageSettings, TrainingSettings, read_settings

Resource = Mapping[str, Any]


@cache
def template() -> dict[str, Any]:
    return stack_template()


def of_kind(kind: str) -> dict[str, Resource]:
    return {name: about for name, about in template()["Resources"].items() if about["Type"] == kind}


def statements() -> Iterator[dict[str, Any]]:
    """Of every policy document in the template, wherever it stands."""

    def within(part: Any) -> Iterator[dict[str, Any]]:
        match part:
            case {"Statement": list(found)}:
                yield from found
            case dict():
                for value in part.values():
                    yield from within(value)
            case list():
                for value in part:
                    yield from within(value)

    return within(template())


def test_cfn_lint_finds_nothing() -> None:
    regions = cfnlint.api.ManualArgs(regions=["us-east-1", "eu-central-1"])
    found = cfnlint.api.lint(json.dumps(template(), indent=1), config=regions)
    assert [f"{match.rule.id} {match.message}" for match in found] == []


def test_the_template_goes_without_a_bucket_of_its_own() -> None:
    longest = dict.fromkeys(PACKAGES, f"s3://{'b' * 63}/{'k' * 80}")
    text = json.dumps(template(), separators=(",", ":"))
    assert len(text) + sum(map(len, longest.values())) < LARGEST_TEMPLATE_BYTES


def test_every_policy_of_infra_iam_is_in_the_template_word_for_word() -> None:
    def placed(text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", r"<\1>", text)

    def plain(part: Any) -> Any:
        match part:
            case {"Fn::Sub": [str(text), dict(places)]}:
                assert places == {place: PLACES[place] for place in places}
                return placed(text)
            case dict():
                return {name: plain(value) for name, value in part.items()}
            case list():
                return [plain(value) for value in part]
        return part

    held = [plain(document) for document in documents()]
    for file in (INFRA / "iam").glob("*.json"):
        assert json.loads(placed(file.read_text())) in held, file.name


def documents() -> Iterator[Any]:
    for about in template()["Resources"].values():
        properties = about.get("Properties", {})
        yield from (properties[key] for key in ("PolicyDocument", "AssumeRolePolicyDocument") if key in properties)


def test_no_policy_allows_patterns_of_actions() -> None:
    denied = [s for s in statements() if s["Effect"] == "Deny"]
    assert [s["Sid"] for s in denied] == ["NothingInPlainText"]
    for statement in statements():
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert statement in denied or not any("*" in action for action in actions)


def test_what_concerns_the_whole_account_is_only_what_aws_offers_no_resource_for() -> None:
    everywhere = {action for s in statements() if s.get("Resource") == "*" for action in s["Action"]}
    kinds = {"List", "Describe", "Get", "PutMetricData", "PutMetricAlarm"}
    assert all(action.partition(":")[2].startswith(tuple(kinds)) for action in everywhere), everywhere


def test_only_named_services_and_whom_the_account_trusts_take_roles() -> None:
    takers = [s["Principal"] for s in statements() if s["Action"] == "sts:AssumeRole"]
    services = {taker["Service"] for taker in takers if "Service" in taker}
    assert services == {"sagemaker.amazonaws.com", "codebuild.amazonaws.com"}
    trusted = [taker["AWS"] for taker in takers if "AWS" in taker]
    assert len(trusted) == 4
    assert all("Ref" in one["Fn::If"][2] and "*" not in str(one["Fn::If"][1]) for one in trusted)


def test_the_bucket_is_versioned_encrypted_private_and_outlives_the_stack() -> None:
    (bucket,) = of_kind("AWS::S3::Bucket").values()
    properties = bucket["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert [one["SSEAlgorithm"] for one in rule["ServerSideEncryptionByDefault"]["Fn::If"][1:]] == ["aws:kms", "AES256"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"


def test_what_a_rule_or_lambda_can_not_deliver_is_kept() -> None:
    kept = {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
    for rule in of_kind("AWS::Events::Rule").values():
        assert all(target["DeadLetterConfig"] == kept for target in rule["Properties"]["Targets"])
    approval = template()["Resources"]["Approval"]["Properties"]
    assert approval["DeadLetterQueue"]["TargetArn"] == kept["Arn"]
    assert approval["Events"]["PackageChanged"]["Properties"]["DeadLetterConfig"] == kept


def test_the_api_is_never_open() -> None:
    routes = of_kind("AWS::ApiGatewayV2::Route").values()
    assert [route["Properties"]["AuthorizationType"] for route in routes] == [{"Fn::If": ["HasJwt", "JWT", "AWS_IAM"]}]


def test_prefixes_and_names_are_those_of_the_settings() -> None:
    storage, training, text = StorageSettings(bucket="photos"), TrainingSettings(), json.dumps(template())
    for name in (storage.images_prefix, storage.annotations_prefix, training.package_group, training.pipeline):
        assert f'"{name}"' in text or f"pipeline/{name}" in text
    assert template()["Parameters"]["EndpointInstanceType"]["Default"] == training.endpoint_instance_type


def test_the_dashboard_is_json() -> None:
    (dashboard,) = of_kind("AWS::CloudWatch::Dashboard").values()
    body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
    assert len(json.loads(re.sub(r"\$\{[\w:]+\}", "x", body))["widgets"]) > 3


def test_the_services_read_what_the_stacks_outputs_say(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"EndpointInstancesMax": "4", "ServerlessMemoryMb": "2048"}
    network = {"SubnetIds": "subnet-a,subnet-b", "SecurityGroupIds": "sg-a"}
    outputs = {**dict.fromkeys(SETTINGS.keys() - network.keys(), "of-mine"), **numbers}
    assert outputs.keys() <= template()["Outputs"].keys()
    others = {"LABEL_STUDIO__URL": "http://ls", "LABEL_STUDIO__TOKEN": "t", "BACKEND__PASSWORD": "p" * 12}
    for name, value in settings_of(outputs, "eu-central-1").items():
        monkeypatch.setenv(name, value)
    for name, value in others.items():
        monkeypatch.setenv(f"PHENOLOOP_{name}", value)
    read = read_settings()
    assert (read.storage.bucket, read.queue_url, read.training.role_arn) == ("of-mine",) * 3
    assert (read.training.endpoint_instances_max, read.training.serverless_memory_mb) == (4, 2048)
    in_vpc = settings_of({**outputs, **OFF, **network}, "eu-central-1")
    assert "PHENOLOOP_TRAINING__SERVERLESS_MEMORY_MB" not in in_vpc
    assert in_vpc["PHENOLOOP_TRAINING__SUBNET_IDS"] == "subnet-a,subnet-b"
    assert {*network} <= template()["Outputs"].keys()


def test_endpoints_cost_by_instance_or_by_call_and_an_unknown_instance_has_no_price() -> None:
    given = {name: str(about.get("Default", "")) for name, about in template()["Parameters"].items()}
    assert costs(given)[0].usd_per_month == pytest.approx(2 * ENDPOINT_USD_PER_HOUR["ml.c5.large"] * HOURS_A_MONTH)
    serverless = costs({**given, "ServerlessMemoryMb": "2048"})[0]
    assert 0 < (serverless.usd_per_month or 0) < 10
    assert costs({**given, "EndpointInstanceType": "ml.new.large"})[0].usd_per_month is None
    with_key = {cost.what for cost in costs({**given, "KmsKeyArn": "arn:aws:kms:..."})}
    assert with_key - {cost.what for cost in costs(given)} == {"KMS key"}


def test_settings_replace_their_own_lines_of_the_file_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "LABEL_STUDIO_USERNAME=me\nPHENOLOOP_STORAGE__BUCKET=old\nPHENOLOOP_TRAINING__SERVERLESS_MEMORY_MB=1\n"
    )
    write_settings(file, {"PHENOLOOP_STORAGE__BUCKET": "new"})
    assert file.read_text() == "LABEL_STUDIO_USERNAME=me\nPHENOLOOP_STORAGE__BUCKET=new\n"


def test_the_lambdas_libraries_are_those_that_are_tested_here() -> None:
    pins = dict(line.split("==") for line in REQUIREMENTS.read_text().split())
    assert {name: importlib.metadata.version(name) for name in pins} == pins


def test_the_prediction_lambda_needs_only_what_it_is_given(tmp_path: Path) -> None:
    """Its archive, the pinned libraries, and boto3 with what comes with it, which are Lambda's own."""
    package = tmp_path / "code.zip"
    package.write_bytes(PACKAGES["lambdas/predictions"].build())
    pinned = re.findall(r"^[\w-]+", REQUIREMENTS.read_text(), re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(package), *pinned, *BOTO3],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr


BOTO3 = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
IMPORTS = """
import importlib.metadata, sys
package, given = sys.argv[1], set(sys.argv[2:])
others = {root for root, owners in importlib.metadata.packages_distributions().items()
          if not given & {owner.lower().replace("_", "-") for owner in owners}}

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name in others - {"loc360", "phenoloop"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, package)
import phenoloop.chain.chain, predictions
assert phenoloop.chain.chain.__file__.startswith(package), phenoloop.chain.chain.__file__
"""


def test_an_archive_of_the_same_files_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1")
    before = archive({"a.py": file, "b.py": file})
    file.touch()
    assert archive({"b.py": file, "a.py": file}) == before
    assert {"loc360", "phenoloop/chain"} <= set(OURS)
