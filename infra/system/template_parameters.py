"""The parameters of template.yaml and the credentials that its functions get on one machine."""

from __future__ import annotations

from infra.embedded import Endpoints, S3Endpoint
from infra.system.layout import BUCKET, REGION
from infra.system.local_tokens import AUDIENCE, ISSUER

# The first system's development secret: its documented tokens come out the same here.
TOKENIZER_SECRET = "dev-tokenizer-secret-change-me"  # noqa: S105


def template_parameters(endpoints: Endpoints, lambda_port: int, jwt_secret: str) -> dict[str, str]:
    """Return the template's parameters for functions that reach the Lambda API on their own loopback."""
    postgres = endpoints.postgres
    return {
        "Env": "local",
        "RawBucket": BUCKET,
        "PostgresHost": postgres.host,
        "PostgresPort": str(postgres.port),
        "PostgresDatabase": postgres.database,
        "PostgresPassword": postgres.password,
        "KafkaBrokers": endpoints.kafka_brokers,
        "JwtIssuer": ISSUER,
        "JwtAudience": AUDIENCE,
        "JwtSecret": jwt_secret,
        "TokenizerHmacSecret": TOKENIZER_SECRET,
        "S3Endpoint": endpoints.s3.url,
        "LambdaEndpoint": f"http://127.0.0.1:{lambda_port}",
    }


def aws_environment(s3: S3Endpoint) -> dict[str, str]:
    """Return the region and the credentials that Lambda would set in a function's environment."""
    return {
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }
