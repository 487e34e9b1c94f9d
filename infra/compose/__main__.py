"""`python -m infra.compose secrets | migrate | bucket | topics | functions | build`: the containers' commands.

`sam-parameters` and `sam-environment` print the files that `sam local` needs to use these services.
"""

from __future__ import annotations

import os
import sys

from infra.compose.config import ComposeConfig


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; an error shows its traceback, which holds no secret."""
    config = ComposeConfig.from_environment(os.environ)
    match arguments:
        case ["secrets"]:
            from infra.compose.secret_files import make_secrets

            make_secrets(config.secrets_dir)
        case ["migrate"]:
            from infra.compose.services import migrate

            migrate(config)
        case ["bucket"]:
            from infra.compose.services import make_bucket

            make_bucket(config)
        case ["topics"]:
            from infra.compose.services import make_topics

            make_topics(config)
        case ["functions"]:
            import uvloop

            from infra.compose.functions import serve

            uvloop.run(serve(config))
        case ["sam-parameters"]:
            from infra.compose.functions import sam_parameters
            from infra.system.sam import describe_parameters

            print(describe_parameters(sam_parameters(config)), end="")
        case ["sam-environment"]:
            from infra.system.sam import describe_environment

            print(describe_environment(config.endpoints().s3), end="")
        case ["build"]:
            from infra.compose.layers import build_layers

            build_layers(config.build_dir)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
