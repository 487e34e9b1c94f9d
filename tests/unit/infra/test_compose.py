"""docker-compose.yml and our own image, as far as they can be tested without pulling an image."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

import pytest
import yaml

from infra.compose.functions import STOP_TIMEOUT_SECONDS
from tests.unit.infra.deployed import ROOT

DOCKERFILE = (ROOT / "infra" / "compose" / "image" / "Dockerfile").read_text("utf-8")
OURS = "health-data-exchange:local"


@cache
def project() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return document


def services() -> dict[str, dict[str, Any]]:
    return dict(project()["services"])


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if service["image"] == OURS}


def runs_once(service: dict[str, Any]) -> bool:
    return service.get("restart") == "no"


def test_every_image_is_of_one_version() -> None:
    for service in services().values():
        repository, _, tag = service["image"].partition(":")
        assert "." not in repository, "no registry by name"
        assert service["image"] == OURS or re.match(r"v?\d+\.\d+", tag), service["image"]


def test_every_port_is_open_to_this_machine_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:${") for port in ports)


def test_whoever_stays_says_how_it_is() -> None:
    silent = {name for name, s in services().items() if not runs_once(s) and "healthcheck" not in s}
    assert silent == set()


def test_nobody_starts_before_what_it_needs_is_healthy_or_done() -> None:
    for name, service in services().items():
        for needed, how in service.get("depends_on", {}).items():
            done = runs_once(services()[needed])
            expected = "service_completed_successfully" if done else "service_healthy"
            assert how == {"condition": expected}, (name, needed)


def test_functions_wait_for_schema_bucket_and_topics() -> None:
    assert set(services()["functions"]["depends_on"]) == {"migrate", "bucket", "topics"}


def test_the_functions_are_given_the_time_that_a_stop_in_order_takes() -> None:
    grace_seconds = int(services()["functions"]["stop_grace_period"].removesuffix("s"))
    # Batches in flight, their pollers, requests and invocations each end within the runner's own timeout.
    assert grace_seconds > 4 * STOP_TIMEOUT_SECONDS


def test_no_secret_stands_in_the_file() -> None:
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                assert name.endswith("_FILE")
                assert value.startswith("/run/exchange/")


def test_what_reads_a_secret_cannot_change_it() -> None:
    writers = {name for name, s in services().items() if "secrets:/run/exchange" in s.get("volumes", [])}
    assert writers == {"secrets"}


def test_our_containers_are_nobody_and_may_nothing() -> None:
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert "0" not in user
    assert DOCKERFILE.rindex("USER") > DOCKERFILE.rindex("RUN")
    assert set(ours()) == {"secrets", "migrate", "bucket", "topics", "functions"}
    for service in ours().values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service


def test_every_file_that_is_mounted_exists() -> None:
    volumes = [volume for service in services().values() for volume in service.get("volumes", [])]
    named = {volume.split(":")[0] for volume in volumes}
    files = {name for name in named if name.startswith("./")}
    assert len(files) == 4
    assert all((ROOT / name).exists() for name in files)
    assert named - files == set(project()["volumes"])


def test_our_image_has_the_python_of_the_functions() -> None:
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    runtime = template["Parameters"]["FunctionRuntime"]["Default"]
    assert (
        f"python:{runtime.removeprefix('python')}."
        in project()["x-exchange"]["build"]["args"]["PYTHON_IMAGE"]
    )
    assert project()["x-exchange"]["build"]["args"]["PYTHON_IMAGE"].endswith(
        re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.MULTILINE)[0] + "}"
    )


def test_our_image_has_the_versions_that_the_tests_run_on() -> None:
    def pinned(path: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text("utf-8"), re.MULTILINE))

    tested = pinned("requirements-dev.txt")
    image = pinned("infra/compose/image/requirements.txt")
    assert image
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}


def test_our_image_has_what_its_code_imports() -> None:
    rooms = ("embedded", "system", "compose")
    code = [path for room in rooms for path in (ROOT / "infra" / room).glob("*.py")]
    code += (ROOT / "infra" / "sam_offline" / "sam_offline").rglob("*.py")
    imported = {
        name.split(".")[0]
        for path in code
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    distributions = packages_distributions()
    image = (ROOT / "infra/compose/image/requirements.txt").read_text("utf-8")
    installed = set(re.findall(r"^([a-z0-9-]+)==", image, re.MULTILINE))
    ours_or_python_s = {"exchange", "infra", "sam_offline", "__future__"} | sys.stdlib_module_names
    missing = {
        name
        for name in imported - ours_or_python_s
        if not {d.lower().replace("_", "-") for d in distributions.get(name, [name])} & installed
    }
    assert missing == set()


def test_prometheus_asks_both_pages_of_the_functions_container() -> None:
    config = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text("utf-8"))
    targets = [t for job in config["scrape_configs"] for s in job["static_configs"] for t in s["targets"]]
    assert targets == ["functions:8080", "functions:3002"]
    inside = {port.rsplit(":", 1)[1] for port in services()["functions"]["ports"]}
    assert {target.split(":")[1] for target in targets} <= inside


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    provisioning = ROOT / "infra" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "exchange.yaml").read_text("utf-8"))[
        "providers"
    ]
    assert source["url"] == "http://prometheus:9090"
    folder = provider["options"]["path"]
    assert f"./infra/grafana/dashboards:{folder}:ro" in services()["grafana"]["volumes"]
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    dashboards = {
        path.name: json.loads(path.read_text("utf-8"))
        for path in (ROOT / "infra/grafana/dashboards").iterdir()
    }
    assert home.removeprefix(f"{folder}/") in dashboards
    assert len({dashboard["uid"] for dashboard in dashboards.values()}) == len(dashboards)
    for dashboard in dashboards.values():
        for panel in dashboard["panels"]:
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("profile", ["", "localstack"])
def test_docker_compose_reads_the_file(profile: str) -> None:
    command = ["docker-compose", *(["--profile", profile] if profile else []), "config", "--services"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(services()) >= set(done.stdout.split()) >= set(services()) - {"localstack"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_reads_its_configuration() -> None:
    subprocess.run(["promtool", "check", "config", "infra/prometheus/prometheus.yml"], cwd=ROOT, check=True)
