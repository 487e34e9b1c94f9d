"""Migrations have unique numbers: two with the same number, as from two branches, stop every new database."""

from __future__ import annotations

from pathlib import Path

MIGRATIONS = Path(__file__).parents[3] / "infra" / "postgres" / "migrations"


def test_no_two_migrations_have_one_number() -> None:
    numbers = [path.name.partition("_")[0] for path in MIGRATIONS.glob("*.sql")]
    assert sorted(set(numbers)) == sorted(numbers)
    assert all(len(number) == 14 and number.isdecimal() for number in numbers)
