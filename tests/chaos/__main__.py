"""`make chaos`: injects every fault under load, prints a table, and exits with 1 when any promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from infra.cli.demo.screen import Screen
from tests.chaos.experiment import Experiment, Outcome
from tests.chaos.faults import Fault, all_faults, brief_faults
from tests.chaos.report import describe, markdown_line, show


async def run(
    faults: Sequence[Fault],
    records: int,
    begin: Callable[[int], Experiment],
    screen: Screen,
    table: Path | None,
) -> list[Outcome]:
    """Run each fault on a new system, so that the leftovers and the broker's log of one do not affect the next."""
    outcomes: list[Outcome] = []
    for number, fault in enumerate(faults):
        with screen.phase(fault.name[0].upper() + fault.name[1:]), screen.bars() as bars:
            bars.add("answered", records)
            async with begin(number) as experiment:
                outcome = await experiment.suffer(fault, records, lambda: bars.advance("answered"))
        outcomes.append(outcome)
        if table is not None:
            with table.open("a", encoding="utf-8") as lines:
                lines.write(markdown_line(outcome))
        for line in describe(outcome) or ["survived"]:
            screen.console.print(f"   {line}")
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--records", type=int, default=5_000, help="records a fault")
    parser.add_argument("--brief", action="store_true", help="the faults of the short form only")
    parser.add_argument("--only", action="append", default=[], help="faults with this in their name")
    parser.add_argument("--table", type=Path, help="add a line a fault to this Markdown table")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 1_000_000, help="the same chance again"
    )
    parser.add_argument("--keep", action="store_true", help="leave the data and the logs where they are")
    options = parser.parse_args()
    faults = [
        fault
        for fault in (brief_faults() if options.brief else all_faults())
        if not options.only or any(words in fault.name for words in options.only)
    ]
    screen = Screen(Console(highlight=False))
    data_dir = Path(tempfile.mkdtemp(prefix="chaos-"))
    screen.console.print(
        f"{len(faults)} faults, {options.records:,} records each, seed {options.seed}, in {data_dir}"
    )

    def begin(number: int) -> Experiment:
        return Experiment(data_dir / str(number + 1), seed=options.seed + number, is_impatient=options.brief)

    outcomes = asyncio.run(run(faults, options.records, begin, screen, options.table))
    screen.console.print()
    show(screen.console, outcomes)
    failed = [outcome for outcome in outcomes if not outcome.holds]
    if not options.keep and not failed:
        shutil.rmtree(data_dir, ignore_errors=True)
    screen.console.print(
        f"\n{len(failed)} of {len(outcomes)} faults left something wrong; see {data_dir}"
        if failed
        else f"\nNothing lost, nothing doubled: {len(outcomes)} faults survived."
    )
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
