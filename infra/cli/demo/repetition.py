"""Repeated requests: unchanged ones get their first answers, changed ones are refused, and nothing new is stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from infra.cli.demo.books import Check
from infra.cli.demo.client import Answer, Client
from infra.cli.demo.postings import Posting, encode

T = TypeVar("T")

UNCHANGED = 500
CHANGED = 50


async def repeat_unchanged(client: Client, postings: Sequence[Posting], first: Sequence[Answer]) -> Check:
    """Send some of `postings` again, refused ones among them, and compare with their `first` answers."""
    sample = spread(range(len(postings)), UNCHANGED)
    answers = await client.post_all([postings[index] for index in sample])
    same = sum(
        (answer.status, answer.body) == (first[index].status, first[index].body)
        for index, answer in zip(sample, answers, strict=True)
    )
    claim = f"{len(sample)} requests again, unchanged: the same answers, byte for byte"
    return Check(claim, same == len(sample), f"{len(sample) - same} differ")


async def repeat_changed(client: Client, postings: Sequence[Posting], first: Sequence[Answer]) -> Check:
    """Send other bodies with the keys of some accepted records."""
    accepted = [posting for posting, answer in zip(postings, first, strict=True) if answer.record_id]
    sample = [_change(posting) for posting in spread(accepted, CHANGED)]
    answers = await client.post_all(sample)
    refused = sum(answer.status == 409 for answer in answers)
    claim = f"{len(sample)} keys again with a changed body: all refused with 409"
    return Check(claim, refused == len(sample), f"{len(sample) - refused} were not")


def spread(items: Sequence[T], count: int) -> list[T]:
    """Return `count` items evenly spread over all, or all of them if there are fewer."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _change(posting: Posting) -> Posting:
    body = json.loads(posting.body)
    body["patient"]["ssn"] = "000-00-0000"
    return replace(posting, body=encode(body))
