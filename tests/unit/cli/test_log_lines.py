from __future__ import annotations

import io
import json

from infra.cli.screen.log_lines import Line, LogReader, coloured

FIRST, SECOND = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
LOG = (
    f"2026-11-25T01:02:03.004Z\t{FIRST}\tSTART RequestId: {FIRST} Version: $LATEST\n"
    f"2026-11-25T01:02:03.005Z\t{SECOND}\thello of the second\n"
    f"2026-11-25T01:02:03.006Z\t{FIRST}\t[ERROR] ValueError: no\n"
    f"    Traceback (most recent call last):\n"
    f'2026-11-25T01:02:03.007Z\t-\tcalled for {{"caller": "{FIRST}"}}\n'
)


def test_a_requests_lines_are_those_printed_while_it_ran_and_those_that_name_it() -> None:
    lines = [line for line in LogReader("ingest", io.StringIO(LOG)).read() if line.is_of(FIRST)]
    assert [line.text.split()[0] for line in lines] == ["START", "[ERROR]", "Traceback", "called"]
    assert {line.request_id for line in lines} == {FIRST, "-"}


def test_a_reader_goes_on_where_it_was_in_the_middle_of_a_line_too() -> None:
    file = io.StringIO(LOG[:150])
    reader = LogReader("ingest", file)
    before = list(reader.read())
    file.seek(0, io.SEEK_END)
    file.write(LOG[150:])
    file.seek(150)
    assert [*before, *reader.read()] == list(LogReader("ingest", io.StringIO(LOG)).read())


def test_a_structured_line_is_taken_apart_for_people() -> None:
    record = {"level": "ERROR", "message": "batch failed", "service": "normalize", "retried": 3}
    shown = coloured(Line("normalize", "2026-11-25T01:02:03.004Z", FIRST, json.dumps(record)), 9, 0)
    assert shown.plain == "01:02:03.004 normalize ERROR   batch failed retried=3"
    assert any(
        span.style == "red" and "batch failed" in shown.plain[span.start : span.end] for span in shown.spans
    )


def test_metrics_are_shown_as_names_and_values() -> None:
    record = {
        "_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "Accepted"}]}]},
        "Accepted": 2,
        "service": "x",
    }
    shown = coloured(Line("ingest", "2026-11-25T01:02:03.004Z", FIRST, json.dumps(record)), 0, 0)
    assert shown.plain == "01:02:03.004 metrics Accepted=2"


def test_a_line_with_metrics_is_shown_as_the_line_that_it_is() -> None:
    record = {
        "_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "RequestDuration"}]}]},
        "RequestDuration": [2.7041359],
        "level": "INFO",
        "message": "request answered",
        "service": "ingest",
        "status": "202",
    }
    shown = coloured(Line("ingest", "2026-11-25T01:02:03.004Z", FIRST, json.dumps(record)), 0, 0)
    assert shown.plain == "01:02:03.004 INFO    request answered RequestDuration=2.704 status=202"
