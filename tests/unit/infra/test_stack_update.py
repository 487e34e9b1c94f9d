"""An update of the released stack causes no collision and no loss.

released_names.json is the inventory of the last template that somebody may have deployed, for production's parameters.
CloudFormation creates new resources before it deletes old ones: a name that moves to another logical id "already
exists".
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from tests.unit.infra.deployed import MSK, SELF_MANAGED, Deployed
from tests.unit.infra.stack_names import RELEASED, inventory, update_faults

INGEST_LOGS = "/exchange/local/ingest"


@cache
def released() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RELEASED.read_text("utf-8"))
    return document


@cache
def present(*, msk: bool = False) -> dict[str, dict[str, Any]]:
    return inventory(Deployed.with_parameters(MSK if msk else SELF_MANAGED))


def faults_of(now: dict[str, dict[str, Any]]) -> list[str]:
    return update_faults(released()["resources"], released()["left_behind"], now)


@pytest.mark.parametrize("msk", [False, True])
def test_an_update_collides_with_nothing_and_loses_nothing(msk: bool) -> None:
    assert faults_of(present(msk=msk)) == []


def test_the_inventory_has_whatever_has_a_name_or_holds_something() -> None:
    kinds = {entry["Type"] for entry in released()["resources"].values()}
    assert kinds == {
        *("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm"),
        *("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage"),
        *("AWS::Lambda::Function", "AWS::Lambda::Alias"),
        *("AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig"),
    }


def test_only_log_groups_were_left_behind_and_another_one_took_over() -> None:
    left = {logical_id: released()["resources"][logical_id] for logical_id in released()["left_behind"]}
    assert {entry["Type"] for entry in left.values()} == {"AWS::Logs::LogGroup"}
    functions = Deployed.with_parameters(SELF_MANAGED).of("Lambda::Function").values()
    assert {function["LoggingConfig"]["LogGroup"] for function in functions} == {"/exchange/local/functions"}


def test_no_log_group_has_a_name_that_lambda_or_api_gateway_makes_by_itself() -> None:
    names = [e["Name"]["LogGroupName"] for e in present().values() if e["Type"] == "AWS::Logs::LogGroup"]
    assert names
    assert [name for name in names if not name.startswith("/exchange/")] == []


def test_a_name_that_moves_to_another_logical_id_is_found() -> None:
    now = deepcopy(present())
    now["StoredRecords"] = now.pop("RawBucketResource")
    assert faults_of(now) == [
        "StoredRecords takes the name of RawBucketResource: {'BucketName': 'exchange-raw'} already exists",
        "RawBucketResource (AWS::S3::Bucket) disappears",
    ]


def test_an_event_source_of_the_same_topic_under_another_logical_id_is_found() -> None:
    now = deepcopy(present())
    now["FromV1"] = now.pop("NormalizeFromV1")
    assert len(faults_of(now)) == 2


@pytest.mark.parametrize("name", ["StartingPosition", "ConsumerGroupIds"])
def test_an_event_source_that_would_be_replaced_is_found(name: str) -> None:
    now = deepcopy(present())
    now["NormalizeFromV1"][name] = "another"
    (fault,) = faults_of(now)
    assert fault.startswith("NormalizeFromV1 was ")


@pytest.mark.parametrize("logical_id", ["IngestLogs", "FunctionLogs"])
def test_the_name_of_a_group_that_was_left_behind_cannot_come_back(logical_id: str) -> None:
    now = deepcopy(present())
    now[logical_id] = {**now["FunctionLogs"], "Name": {"LogGroupName": INGEST_LOGS}}
    (fault,) = faults_of(now)
    assert fault == (
        f"{logical_id} takes the name of IngestLogs: {{'LogGroupName': '{INGEST_LOGS}'}} already exists"
    )


@pytest.mark.parametrize(
    "logical_id", ["RawBucketResource", "IngestAccessLogs", "DeadLettersAlarm", "IngestApi", "IngestFunction"]
)
def test_a_resource_that_disappears_is_found(logical_id: str) -> None:
    now = {name: entry for name, entry in present().items() if name != logical_id}
    (fault,) = faults_of(now)
    assert fault.startswith(f"{logical_id} (AWS::")


@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_a_bucket_that_is_no_longer_retained_is_found(policy: str) -> None:
    now = deepcopy(present())
    del now["RawBucketResource"][policy]
    (fault,) = faults_of(now)
    assert fault.startswith("RawBucketResource was ")


def test_a_bucket_of_another_name_is_found() -> None:
    now = deepcopy(present())
    now["RawBucketResource"]["Name"] = {"BucketName": "records"}
    (fault,) = faults_of(now)
    assert fault.startswith("RawBucketResource was ")


def test_only_what_is_retained_can_be_left_behind() -> None:
    now = {name: entry for name, entry in present().items() if name != "DeadLettersAlarm"}
    left = [*released()["left_behind"], "DeadLettersAlarm"]
    assert update_faults(released()["resources"], left, now) == [
        "DeadLettersAlarm is left behind, and nothing retains it"
    ]
