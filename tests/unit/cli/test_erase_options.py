from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from infra.cli.clients.lambda_api import FunctionFailed
from infra.cli.commands.erase import _find, _show, erase_in_parts
from infra.cli.main import app


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "say what: record ids, --partner or --receipt"),
        (["5573a23f", "--partner", "partnerA"], "say what: record ids, --partner or --receipt"),
        (["5573a23f", "--person", "person.json"], "--person goes with --partner"),
        (["--receipt", "5573a23f", "--case", "TICKET-123"], "--case does not go with --receipt"),
        (["--receipt", "5573a23f", "--dry-run"], "--dry-run does not go with --receipt"),
    ],
)
def test_what_contradicts_itself_erases_nothing(options: list[str], reason: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["erase", "--data-dir", str(tmp_path), *options])
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"error: {reason}")


class EraseFunction:
    """Pretends to erase every record that it is given; counts the records of each erasure."""

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.cases: set[str] = set()

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        event = json.loads(Payload)
        self.records[event["erasure_id"]] += len(event["record_ids"])
        self.cases.add(event["case"])
        answer = {"already_erased": [], "unknown": [], "remaining": 0, "erasure_id": event["erasure_id"]}
        return {"Payload": BytesIO(json.dumps(answer).encode())}


def test_more_records_than_an_erasure_has_are_erased_in_several() -> None:
    function = EraseFunction()
    erasures = list(
        erase_in_parts(function, [str(UUID(int=n)) for n in range(12_001)], {"case": "TICKET-123"})
    )
    assert [function.records[erasure["erasure_id"]] for erasure in erasures] == [5_000, 5_000, 2_001]
    assert (len(function.records), function.cases) == (3, {"TICKET-123"})


class FindFunction:
    """Finds a person's records, one of which has lost its manifest row."""

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert json.loads(Payload)["dry_run"]
        return {"Payload": BytesIO(json.dumps({"record_ids": ["kept"], "unknown": ["lost"]}).encode())}


def test_no_record_of_a_person_is_passed_over_because_its_manifest_row_is_lost() -> None:
    assert _find(FindFunction(), "partnerA", {"dob": "1990-01-01"}, {}) == ["kept", "lost"]


class EndedFunction(EraseFunction):
    """Erases one page, and then raises the given exception."""

    def __init__(self, end: BaseException) -> None:
        super().__init__()
        self._end = end

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if self.records:
            raise self._end
        return super().invoke(FunctionName, Payload)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), ValueError("no answer")], ids=["Ctrl-C", "a failure"])
def test_an_erasure_that_ends_early_says_how_to_have_its_receipt(
    end: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    function = EndedFunction(end)
    with pytest.raises((KeyboardInterrupt, FunctionFailed)):
        list(erase_in_parts(function, [str(UUID(int=n)) for n in range(100)], {"case": "TICKET-123"}))
    (erasure_id,) = function.records
    assert f"exchange erase --receipt {erasure_id}" in capsys.readouterr().err


def test_an_erasure_without_records_states_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    receipt = {
        "erasure_id": "an-erasure",
        "records": [],
        "statement": "Everything is deleted.",
        "sha256": "0a",
    }
    _show({"receipt": receipt, "already_erased": ["a-record"], "unknown": []})
    nothing, before = capsys.readouterr().out.splitlines()
    assert nothing == "No record is erased anew."
    assert before.endswith("exchange lineage a-record")
