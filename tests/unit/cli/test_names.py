from __future__ import annotations

import pytest
import typer

from infra.cli.names import find_function, find_schedule, short_name

FUNCTIONS = ["IngestFunction", "OutboxPublishFunction"]
SCHEDULES = {"OutboxPublishFunctionPublishOutbox": "OutboxPublishFunction"}


@pytest.mark.parametrize(
    "name", ["OutboxPublishFunction", "outbox-publish", "outbox_publish", "outboxpublish"]
)
def test_a_function_goes_by_its_logical_id_and_by_its_short_name(name: str) -> None:
    assert find_function(name, FUNCTIONS) == "OutboxPublishFunction"


def test_an_unknown_function_ends_the_command_with_the_names_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended:
        find_function("outbox", FUNCTIONS)
    assert ended.value.exit_code == 1
    assert "ingest, outbox-publish" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["OutboxPublishFunctionPublishOutbox", "publish-outbox", "outbox-publish"])
def test_a_schedule_goes_by_its_own_name_its_event_and_its_function(name: str) -> None:
    assert find_schedule(name, SCHEDULES) == "OutboxPublishFunctionPublishOutbox"


def test_a_short_name_is_what_a_person_would_type() -> None:
    assert short_name("OutboxPublishFunction") == "outbox-publish"
