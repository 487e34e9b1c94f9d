"""The setup by the containers before the first record, on the real services of the test run."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from samtranslator.yaml_helper import yaml_parse

from infra.compose.config import ComposeConfig
from infra.compose.functions import runner_config, sam_parameters
from infra.compose.secret_files import make_secrets
from infra.compose.services import make_bucket, make_topics, migrate
from infra.embedded import BackgroundStack
from infra.system.layout import BUCKET, ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_secrets(tmp_path)
    return tmp_path


@pytest.fixture
def config(folder: Path, stack: BackgroundStack) -> ComposeConfig:
    """Return compose's configuration for the services of the test run, which have their passwords already."""
    endpoints = stack.endpoints
    for name, secret in (
        ("postgres_password", endpoints.postgres.password),
        ("s3_secret_key", endpoints.s3.secret_key),
    ):
        (folder / name).unlink()
        (folder / name).write_text(secret)
    return ComposeConfig(
        secrets_dir=folder,
        postgres_host=endpoints.postgres.host,
        postgres_port=endpoints.postgres.port,
        s3_endpoint=endpoints.s3.url,
        s3_access_key=endpoints.s3.access_key,
        kafka_brokers=endpoints.kafka_brokers,
    )


def test_secrets_are_made_once_and_are_all_different(folder: Path) -> None:
    made = {path.name: path.read_text() for path in folder.iterdir()}
    make_secrets(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made
    assert len(set(made.values())) == len(made) == 6
    (identity,) = json.loads(made["s3.json"])["identities"]
    assert identity["credentials"] == [{"accessKey": "exchange", "secretKey": made["s3_secret_key"]}]


def test_schema_bucket_and_topics_are_there_after_any_number_of_starts(
    config: ComposeConfig, superuser: Any, s3_client: Any
) -> None:
    try:
        for _ in range(2):
            migrate(config)
            make_bucket(config)
            make_topics(config)
        dsn = config.endpoints().postgres.dsn(role="exchange_ingest")
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT partner_id FROM partners ORDER BY 1")
            assert cursor.fetchall() == [("partnerA",), ("partnerB",)]
        assert BUCKET in {bucket["Name"] for bucket in s3_client.list_buckets()["Buckets"]}
    finally:
        with superuser.cursor() as cursor:
            cursor.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier("exchange"))
            )
        s3_client.delete_bucket(Bucket=BUCKET)


def test_the_functions_get_parameters_that_the_template_knows(config: ComposeConfig) -> None:
    made = runner_config(replace(config, s3_endpoint="http://localstack:4566"))
    known = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Parameters"]
    assert made.parameters.keys() <= known.keys()
    assert made.parameters["S3Endpoint"] == "http://localstack:4566"
    assert (
        made.parameters["TokenizerHmacSecret"] == (config.secrets_dir / "tokenizer_hmac_secret").read_text()
    )
    assert made.host == "0.0.0.0"


def test_another_store_is_found_by_its_variable() -> None:
    assert ComposeConfig.from_environment({"S3_ENDPOINT": ""}) == ComposeConfig()
    given = ComposeConfig.from_environment({"S3_ENDPOINT": "http://localstack:4566"})
    assert given.s3_endpoint == "http://localstack:4566"


def test_sam_local_is_told_what_the_runner_is_but_for_where_tokenize_runs(config: ComposeConfig) -> None:
    own = runner_config(config).parameters
    assert sam_parameters(config) == {**own, "LambdaEndpoint": "http://functions:3001"}
