"""The rules of EventBridge, its Scheduler and asynchronous invocations, by a clock that tests move."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from infra.embedded import S3Endpoint
from integration.running import Running, running_as, wait_until

KOLKATA = ZoneInfo("Asia/Kolkata")
ARN = "arn:aws:lambda:us-east-1:123456789012:function"


@dataclass(frozen=True)
class Clocked:
    """A runner whose clock is moved, and the events of its functions."""

    runner: Running
    journal: Path
    bucket: str
    s3: Any
    began: datetime

    def entries(self, function: str) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        entries = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [entry for entry in entries if entry["function"] == function]

    def events(self, function: str) -> list[Any]:
        return [entry["event"] for entry in self.entries(function)]

    def told(self, mark: str) -> list[dict[str, Any]]:
        """Return the records that HearFunction got about that event."""
        return [
            event
            for event in self.events("HearFunction")
            if "requestPayload" in event and event["requestPayload"].get("mark") == mark
        ]

    def now(self) -> datetime:
        url = self.runner.endpoints["admin"] + "/clock"
        return datetime.fromisoformat(requests.get(url, timeout=30).json()["now"])

    def move(self, seconds: float) -> None:
        url = self.runner.endpoints["admin"] + "/clock"
        assert requests.post(url, json={"advance_seconds": seconds}, timeout=30).status_code == 200

    def send(self, function: str, event: Any) -> str:
        answer = self.runner.invoke(function, event, InvocationType="Event")
        assert answer["StatusCode"] == 202
        request_id: str = answer["ResponseMetadata"]["RequestId"]
        return request_id


@pytest.fixture(scope="module")
def clocked(s3: S3Endpoint, s3_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    bucket, folder = f"clock-{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("clock")
    s3_client.create_bucket(Bucket=bucket)
    began = datetime.now(UTC)
    aws = {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.url,
    }
    parameters = {
        "Journal": str(folder / "journal.jsonl"),
        "Bucket": bucket,
        "Once": f"{(began + timedelta(days=10)).astimezone(KOLKATA):%Y-%m-%dT%H:%M:%S}",
        "Start": f"{began + timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}",
        "End": f"{began + timedelta(days=20, hours=5):%Y-%m-%dT%H:%M:%SZ}",
    }
    options = ["--asynchronous-retry-delays=60,120", "--no-prestart"]
    with running_as(aws, folder / "output.txt", options, "schedules.yaml", parameters) as runner:
        yield Clocked(runner, folder / "journal.jsonl", bucket, s3_client, began)
    s3_client.delete_bucket(Bucket=bucket)


def test_a_failed_event_is_tried_again_after_a_minute_and_success_is_told(clocked: Clocked) -> None:
    event = {"mark": "told", "fails": 1}
    request_id = clocked.send("TellFunction", event)
    wait_until(lambda: clocked.runner.status()["functions"]["TellFunction"]["errors"] == 1)
    clocked.move(61)
    wait_until(lambda: len(clocked.told("told")) == 1)
    # Every try has the request id that the caller was given.
    assert [entry["request_id"] for entry in clocked.entries("TellFunction")] == [request_id] * 2
    (record,) = clocked.told("told")
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{ARN}:TellFunction:$LATEST",
        "condition": "Success",
        "approximateInvokeCount": 2,
    }
    assert (record["version"], record["requestPayload"]) == ("1.0", event)
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert record["responsePayload"] == {"taken": True}


def test_an_event_whose_retries_are_used_up_is_told_with_its_error(clocked: Clocked) -> None:
    clocked.send("TellFunction", {"mark": "used-up", "fails": 99})
    wait_until(lambda: {"mark": "used-up", "fails": 99} in clocked.events("TellFunction"))
    wait_until(lambda: clocked.runner.status()["functions"]["TellFunction"]["errors"] >= 2)
    clocked.move(61)
    wait_until(lambda: len(clocked.told("used-up")) == 1)
    (record,) = clocked.told("used-up")
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "RuntimeError"


def test_an_event_that_is_too_old_for_its_next_try_is_told_so(clocked: Clocked) -> None:
    clocked.send("AgeFunction", {"mark": "aged", "fails": 99})
    wait_until(lambda: len(clocked.entries("AgeFunction")) == 1)
    wait_until(lambda: clocked.runner.status()["functions"]["AgeFunction"]["errors"] == 1)
    clocked.move(61)
    wait_until(lambda: clocked.runner.status()["functions"]["AgeFunction"]["errors"] == 2)
    clocked.move(121)
    wait_until(lambda: len(clocked.told("aged")) == 1)
    (record,) = clocked.told("aged")
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert len(clocked.entries("AgeFunction")) == 2


def test_a_failure_is_kept_in_a_bucket_under_lambdas_name(clocked: Clocked) -> None:
    request_id = clocked.send("KeepLongFunction", {"mark": "kept", "fails": 1})

    def keys() -> list[str]:
        listed = clocked.s3.list_objects_v2(Bucket=clocked.bucket)
        return [item["Key"] for item in listed.get("Contents", [])]

    wait_until(lambda: len(keys()) == 1)
    (key,) = keys()
    aws, service, kind, function, year, month, day, name = key.split("/")
    assert (aws, service, kind, function) == ("aws", "lambda", "async", "KeepLongFunction")
    assert name.startswith(f"{year}-{month}-{day}T")
    record = json.loads(clocked.s3.get_object(Bucket=clocked.bucket, Key=key)["Body"].read())
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_a_function_that_may_not_run_has_its_events_told_without_a_try(clocked: Clocked) -> None:
    clocked.send("OffFunction", {"mark": "off"})
    wait_until(lambda: len(clocked.told("off")) == 1)
    (record,) = clocked.told("off")
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record


def test_what_would_go_to_a_queue_or_topic_is_named(clocked: Clocked) -> None:
    wait_until(
        lambda: (
            "QueueFunction: its on-failure destination is sns, which is not run here" in clocked.runner.log()
        )
    )
    wait_until(
        lambda: "QueueFunction: its dead-letter queue is sqs, which is not run here" in clocked.runner.log()
    )
    request_id = clocked.send("QueueFunction", {"mark": "queue", "fails": 99})
    line = f"QueueFunction: {request_id} RetriesExhausted: would go to"
    wait_until(lambda: f"{line} sns" in clocked.runner.log())
    wait_until(lambda: f"{line} its dead-letter queue (sqs)" in clocked.runner.log())


def test_cron_fires_at_its_wall_time_in_its_zone(clocked: Clocked) -> None:
    """From here on the clock goes by days; the tests before it count minutes."""
    before = clocked.now()
    after = before + timedelta(days=2)
    clocked.move(2 * 86_400)

    def fired() -> list[dict[str, Any]]:
        # The tests before may have come past one of the times already, and the clock goes on.
        events = clocked.events("ClockFunction")
        return [event for event in events if before < datetime.fromisoformat(event["time"]) <= after]

    wait_until(lambda: len(fired()) >= 4)
    times = [(event["source"], event["time"][11:16]) for event in fired()]
    assert all(datetime.fromisoformat(event["time"]) <= clocked.now() for event in fired())
    # 08:30 in Kolkata is 03:00 UTC.
    assert sorted(times) == [("aws.events", "12:00")] * 2 + [("aws.scheduler", "03:00")] * 2
    rule = next(event for event in clocked.events("ClockFunction") if event["source"] == "aws.events")
    assert rule["detail-type"] == "Scheduled Event"
    assert rule["resources"] == ["arn:aws:events:us-east-1:123456789012:rule/ClockFunctionNoon"]


def test_what_is_due_once_fires_once(clocked: Clocked) -> None:
    clocked.move(9 * 86_400)
    once = clocked.began + timedelta(days=10)
    expected = {"once": f"{once:%Y-%m-%dT%H:%M:%SZ}"}
    wait_until(lambda: expected in clocked.events("ClockFunction"))
    assert clocked.runner.status()["schedules"]["ClockFunctionOnce"]["fired"] == 1
    assert clocked.runner.status()["schedules"]["ClockFunctionOnce"]["next"] is None


def test_a_rate_counts_from_its_start_date_and_ends_with_its_end_date(clocked: Clocked) -> None:
    assert {"between": True} not in clocked.events("ClockFunction")
    clocked.move(11 * 86_400)
    wait_until(lambda: clocked.events("ClockFunction").count({"between": True}) == 3)
    assert clocked.runner.status()["schedules"]["ClockFunctionBetween"]["fired"] == 3
    clocked.move(86_400)
    assert clocked.runner.status()["schedules"]["ClockFunctionBetween"]["fired"] == 3


def test_a_disabled_schedule_fires_by_trigger_only(clocked: Clocked) -> None:
    schedules = clocked.runner.status()["schedules"]
    assert (schedules["ClockFunctionStopped"]["fired"], schedules["ClockFunctionIdle"]["fired"]) == (0, 0)
    url = clocked.runner.endpoints["admin"] + "/schedules/ClockFunctionStopped/trigger"
    assert requests.post(url, timeout=30).status_code == 202
    wait_until(lambda: {"stopped": True} in clocked.events("ClockFunction"))


@pytest.mark.parametrize(
    "body", [{}, {"advance_seconds": -1}, {"advance_seconds": "soon"}, {"advance_seconds": 1e300}, []]
)
def test_the_clock_takes_seconds_forward_only(clocked: Clocked, body: Any) -> None:
    response = requests.post(clocked.runner.endpoints["admin"] + "/clock", json=body, timeout=30)
    assert response.status_code == 400
