"""The `exchange` command and its subcommands."""

from __future__ import annotations

import typer

from infra.cli.commands.dead_letters import dead_letters
from infra.cli.commands.demo import demo
from infra.cli.commands.down import down
from infra.cli.commands.erase import erase
from infra.cli.commands.invoke import invoke
from infra.cli.commands.lineage import lineage
from infra.cli.commands.logs import logs
from infra.cli.commands.pause import pause, resume
from infra.cli.commands.reconcile import reconcile
from infra.cli.commands.replay import replay
from infra.cli.commands.services import services
from infra.cli.commands.sources import sources
from infra.cli.commands.status import status
from infra.cli.commands.token import token
from infra.cli.commands.trigger import trigger
from infra.cli.commands.up import up

app = typer.Typer(
    name="exchange",
    help=(
        "The health-data exchange on this machine: HTTP to canonical, de-identified, linkable rows, without Docker."
        "\n\nBegin with: exchange demo, or: exchange up"
    ),
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could show a record or a secret.
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
for command in (
    up,
    down,
    status,
    logs,
    invoke,
    trigger,
    pause,
    resume,
    token,
    lineage,
    erase,
    replay,
    reconcile,
    demo,
    services,
    sources,
):
    app.command()(command)
app.add_typer(dead_letters, name="dead-letters")

if __name__ == "__main__":
    app()
