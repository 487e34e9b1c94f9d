"""Code and template that are saved while they run, in the way editors save them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from integration.running import STATE, Running, running, wait_until

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 120}
Resources:
  Words:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.11}
    Properties: {ContentUri: words/}
  PublicApi:
    Type: AWS::Serverless::Api
    Properties: {StageName: live}
  SayFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: say/
      Handler: app.handler
      Layers: [!Ref Words]
      Environment: {Variables: {MARK: "!"}}
      Events:
        Get: {Type: Api, Properties: {Path: /say, Method: get, RestApiId: !Ref PublicApi}}
"""
HANDLER = """
import os
import time

import words


def handler(event, context):
    while "until" in event and not os.path.exists(event["until"]):
        time.sleep(0.02)
    import late  # once, and after the wait

    said = f"WORD {words.WORD} {late.WORD}" + os.environ["MARK"]
    return {"statusCode": 200, "body": said, "headers": {"X-Pid": str(os.getpid())}}
"""


class Project:
    """A developer's folder and the runner that watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What ends those that wait for it; beside the code, for a save is none.
        self.end = folder / "end"
        for name in ("say", "words"):
            (folder / name).mkdir()
        self.save("template.yaml", TEMPLATE)
        self.save("say/app.py", HANDLER.replace("WORD", "one", 1))
        self.save("say/late.py", "WORD = 'late'\n")
        self.save("words/words.py", "WORD = 'two'\n")
        self.runner: Running

    def save(self, name: str, text: str) -> None:
        """Save as most editors do, by replacing the old file with a new one."""
        new = self.folder / f"{name}.swp"
        new.write_text(text)
        new.replace(self.folder / name)

    def say_is(self, word: str) -> None:
        self.save("say/app.py", HANDLER.replace("WORD", word, 1))

    def says(self) -> str:
        body: str = self.runner.result("SayFunction")["body"]
        return body


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    options = ("--watch", f"--build-dir={STATE / 'build'}", f"--state-dir={tmp_path / 'state'}")
    with running(tmp_path / "output.txt", *options, template=str(tmp_path / "template.yaml")) as runner:
        made.runner = runner
        yield made


def test_what_is_saved_is_served(project: Project) -> None:
    assert project.says() == "one two late!"
    project.say_is("three")
    wait_until(lambda: project.says() == "three two late!")
    project.save("words/words.py", "WORD = 'four'\n")
    wait_until(lambda: project.says() == "three four late!")
    project.save("say/late.py", "WORD = 'soon'\n")
    wait_until(lambda: project.says() == "three four soon!")


def test_the_last_of_several_saves_wins_though_size_and_second_are_the_same(project: Project) -> None:
    # Python's own cache tells files apart by second and size only.
    for word in ("aaa", "bbb", "ccc", "ddd"):
        project.say_is(word)
        time.sleep(0.15)
    wait_until(lambda: project.says() == "ddd two late!")


def test_what_is_in_flight_ends_on_the_code_it_began_with(project: Project) -> None:
    with ThreadPoolExecutor(1) as threads:
        in_flight = threads.submit(project.runner.result, "SayFunction", {"until": str(project.end)})
        wait_until(lambda: project.runner.at_work("SayFunction") == (1, 0))
        project.save("say/late.py", "WORD = 'later'\n")
        project.say_is("new")
        wait_until(lambda: project.says() == "new two later!")
        assert not in_flight.done()
        project.end.touch()
        assert in_flight.result(timeout=60)["body"] == "one two late!"
    wait_until(lambda: project.runner.status()["functions"]["SayFunction"]["environments"] == 1)


@pytest.mark.parametrize("name", ["say/app.py", "say/late.py"])
def test_a_syntax_error_is_shown_and_the_code_of_before_stays(project: Project, name: str) -> None:
    good = (project.folder / name).read_text()
    project.save(name, "def (:\n")
    wait_until(lambda: "SayFunction: not reloaded, its code of before stays." in project.runner.log())
    assert "SyntaxError" in project.runner.log()
    # Not only the environments that run: those that are started now, too.
    with ThreadPoolExecutor(3) as threads:
        held = {"until": str(project.end)}
        holding = [threads.submit(project.runner.result, "SayFunction", held) for _ in range(3)]
        wait_until(lambda: project.runner.at_work("SayFunction") == (3, 0))
        project.end.touch()
        answers = [each.result(timeout=60) for each in holding]
    assert {answer["body"] for answer in answers} == {"one two late!"}
    assert len({answer["headers"]["X-Pid"] for answer in answers}) == 3
    # Another file's save does not bring the broken one in.
    project.save("words/words.py", "WORD = 'four'\n")
    wait_until(lambda: project.runner.log().count("not reloaded") >= 2)
    assert project.says() == "one two late!"
    project.save(name, good)
    wait_until(lambda: project.says() == "one four late!")


def test_the_template_is_taken_anew_but_for_what_takes_a_new_start(project: Project) -> None:
    added = """
  AddedFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: say/
      Handler: app.handler
      Layers: [!Ref Words]
      Environment: {Variables: {MARK: "?"}}
      Events:
        Get: {Type: Api, Properties: {Path: /added, Method: get, RestApiId: !Ref PublicApi}}
        Tick: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
"""
    project.save("template.yaml", TEMPLATE.replace('"!"', '"!!"') + added)
    wait_until(lambda: project.says() == "one two late!!")
    wait_until(lambda: requests.get(project.runner.api + "/added", timeout=30).text == "one two late?")
    wait_until(lambda: "schedules changed: start again" in project.runner.log())
    assert "unpublished metrics" not in project.runner.log()

    project.save("template.yaml", "Resources: [")
    wait_until(lambda: "The template is not taken, what runs stays as it is." in project.runner.log())
    assert project.says() == "one two late!!"

    project.save("template.yaml", TEMPLATE)
    wait_until(lambda: project.says() == "one two late!")
    wait_until(lambda: "AddedFunction: ended" in project.runner.log())
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        project.runner.invoke("AddedFunction")
    assert project.runner.status()["functions"].keys() == {"SayFunction"}
