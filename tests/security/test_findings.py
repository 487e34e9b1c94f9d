"""checkov on the template as CloudFormation gets it reports only findings that are accepted with a reason."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests.unit.infra.deployed import MSK, ROOT, Deployed

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
ACCEPTED = ROOT / "infra" / "checkov" / "accepted.yaml"

Finding = tuple[str, str]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed: make check-security")
    template = tmp_path_factory.mktemp("deployed") / "template.json"
    resources = {
        name: {key: value for key, value in resource.items() if key != "Condition"}
        for name, resource in Deployed.with_parameters(MSK).resources.items()
    }
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    options = ("--framework", "cloudformation", "--output", "json", "--skip-download", "--soft-fail")
    command = [str(CHECKOV), "--file", str(template), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_whole_template_was_read(report: dict[str, Any]) -> None:
    assert report["summary"]["parsing_errors"] == 0
    passed = {check["resource"].split(".")[-1] for check in report["results"]["passed_checks"]}
    assert set(Deployed.with_parameters(MSK).of("Lambda::Function")) <= passed
    assert "RawBucketResource" in passed


def test_every_finding_is_accepted_and_every_acceptance_is_needed(report: dict[str, Any]) -> None:
    found: set[Finding] = {
        (check["check_id"], check["resource"].split(".")[-1]) for check in report["results"]["failed_checks"]
    }
    deployed = Deployed.with_parameters(MSK)
    accepted: set[Finding] = {
        (entry["check"], resource)
        for entry in yaml.safe_load(ACCEPTED.read_text("utf-8"))
        for resource in entry.get("resources") or deployed.of(entry["every"].removeprefix("AWS::"))
        if entry["reason"]
    }
    assert found - accepted == set(), "new findings: mend them, or accept them with a reason"
    assert accepted - found == set(), "accepted, and no longer found"
