"""The resources of a stack that an update must keep: those with names, and those that hold data.

`python -m tests.unit.infra.stack_names COMMIT` prints the inventory of template.yaml
as it is, for released_names.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.unit.infra.deployed import SELF_MANAGED, Deployed

# The properties that identify a resource within a scope: AWS refuses a second one with "already exists".
SCOPED_NAMES = {
    "AWS::ApiGateway::Stage": ("RestApiId", "StageName"),
    "AWS::Lambda::Alias": ("FunctionName", "Name"),
    "AWS::Lambda::EventInvokeConfig": ("FunctionName", "Qualifier"),
    "AWS::Lambda::EventSourceMapping": ("FunctionName", "Topics"),
    "AWS::S3::BucketPolicy": ("Bucket",),
}
# CloudFormation names these after their logical ids. Partners know the API's URL, operators the functions and alarms.
KNOWN_BY_LOGICAL_ID = {"AWS::ApiGateway::RestApi", "AWS::CloudWatch::Alarm", "AWS::Lambda::Function"}
# An event source that changes in one of these is replaced: the new one collides with the old one, or reads its topic
# from another position.
KAFKA_CONFIGS = ("SelfManagedKafkaEventSourceConfig", "AmazonManagedKafkaEventSourceConfig")
POSITIONS = ("StartingPosition", "StartingPositionTimestamp")
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
# SAM puts a hash into their logical ids: every update makes new ones.
RENEWED = {"AWS::Lambda::Version", "AWS::Lambda::LayerVersion", "AWS::ApiGateway::Deployment"}

RELEASED = Path(__file__).with_name("released_names.json")

Inventory = Mapping[str, Mapping[str, Any]]


def inventory(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """Return the type, name and lasting properties of the resources that an update must keep, by logical id."""
    found = {}
    for logical_id, resource in deployed.resources.items():
        kind = resource["Type"]
        name = _name(kind, resource.get("Properties") or {})
        kept = {key: resource[key] for key in ("DeletionPolicy", "UpdateReplacePolicy") if key in resource}
        if kind == "AWS::Lambda::EventSourceMapping":
            kept |= _position(resource["Properties"])
        if kind not in RENEWED and (name or kept or kind in KNOWN_BY_LOGICAL_ID | STATEFUL):
            found[logical_id] = {"Type": kind, "Name": name, **kept}
    return found


def _position(properties: Mapping[str, Any]) -> dict[str, Any]:
    groups = [properties[key]["ConsumerGroupId"] for key in KAFKA_CONFIGS if key in properties]
    return {"ConsumerGroupIds": groups} | {key: properties[key] for key in POSITIONS if key in properties}


def _name(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    last = kind.rsplit("::", 1)[-1]
    return {
        key: properties[key] for key in SCOPED_NAMES.get(kind, (f"{last}Name", "Name")) if key in properties
    }


def update_faults(released: Inventory, left_behind: Iterable[str], now: Inventory) -> list[str]:
    """Return the losses and collisions of an update from the released stack to the present one, a line for each.

    `left_behind` are released logical ids that the template no longer has, but whose DeletionPolicy keeps the resource.
    """
    faults = []
    given_up = set(left_behind)
    holder = {_key(entry): logical_id for logical_id, entry in released.items() if entry["Name"]}
    for logical_id, entry in now.items():
        before = holder.get(_key(entry))
        # CloudFormation creates the new resource before it deletes the old one, and never deletes a retained one.
        if before is not None and (before != logical_id or before in given_up):
            faults.append(f"{logical_id} takes the name of {before}: {entry['Name']} already exists")
    for logical_id, entry in released.items():
        present = now.get(logical_id)
        if logical_id in given_up:
            if entry.get("DeletionPolicy") != "Retain":
                faults.append(f"{logical_id} is left behind, and nothing retains it")
        elif present is None:
            faults.append(f"{logical_id} ({entry['Type']}) disappears")
        elif present != entry:
            faults.append(f"{logical_id} was {dict(entry)} and is {dict(present)}")
    return faults


def _key(entry: Mapping[str, Any]) -> str:
    return json.dumps([entry["Type"], entry["Name"]], sort_keys=True)


if __name__ == "__main__":
    previous = json.loads(RELEASED.read_text("utf-8"))
    left_behind = previous["left_behind"]
    # The names of what was left behind stay taken.
    resources = inventory(Deployed.with_parameters(SELF_MANAGED)) | {
        logical_id: previous["resources"][logical_id] for logical_id in left_behind
    }
    lines = ",\n".join(
        f"  {json.dumps(logical_id)}: {json.dumps(entry, sort_keys=True)}"
        for logical_id, entry in sorted(resources.items())
    )
    print(f'{{\n "commit": "{sys.argv[1]}",\n "left_behind": {json.dumps(left_behind)},')
    print(f' "resources": {{\n{lines}\n }}\n}}')
