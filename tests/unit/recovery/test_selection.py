"""The objects that belong to a job and to each of its shards."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.raw.key import Folder, RawKey
from exchange.recovery.model import Selection, Shard

UUID_A = "0f6f5a0c-3a6b-4b44-9a58-0d3a44a8a5be"


@given(record_id=st.uuids(), count=st.sampled_from([1, 2, 4, 8, 16]))
def test_every_record_is_of_exactly_one_shard(record_id: UUID, count: int) -> None:
    name = f"{record_id}.json"
    shards = [Shard(number, count) for number in range(count)]
    mine = [shard for shard in shards if shard.after < name < shard.upto]
    assert len(mine) == 1
    assert mine[0].number == record_id.int * count >> 128
    assert 0 <= mine[0].part_done(record_id) < 1


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        (f"hospital-a/2026-11-24T12/{UUID_A}.json", Folder("hospital-a", "2026-11-24T12")),
        (f"hospital-a/{UUID_A}.json", Folder("hospital-a", "")),
    ],
)
def test_a_record_s_key_is_read(key: str, folder: Folder) -> None:
    assert RawKey.parse(key) == RawKey(folder, UUID(UUID_A))


@pytest.mark.parametrize(
    "key",
    [
        *(f"{UUID_A}.json", f"hospital-a/{UUID_A}", f"hospital-a/x/{UUID_A}.json", "hospital-a/notes.txt"),
        f"hospital-a/{UUID_A.upper()}.json",
        f"hospital-a/2026-11-24T12/more/{UUID_A}.json",
    ],
)
def test_any_other_key_is_no_record_s(key: str) -> None:
    assert RawKey.parse(key) is None


def test_folders_sort_as_a_job_goes() -> None:
    folders = [Folder("b", ""), Folder("a", "2026-11-24T12"), Folder("a", ""), Folder("a", "2025-12-31T23")]
    assert [folder.prefix for folder in sorted(folders)] == [
        *("a/", "a/2025-12-31T23/", "a/2026-11-24T12/", "b/")
    ]


@pytest.mark.parametrize(
    ("prefix", "folder", "chosen"),
    [
        ("", Folder("hospital-a", "2026-11-24T12"), True),
        ("hospital-a", Folder("hospital-a", ""), True),
        ("hospital-a/2026-11-24", Folder("hospital-a", "2026-11-24T12"), True),
        ("hospital-a/2026-11-24T12/0f", Folder("hospital-a", "2026-11-24T12"), True),
        ("hospital-a/2026-11-25", Folder("hospital-a", "2026-11-24T12"), False),
        ("hospital-b/", Folder("hospital-a", ""), False),
    ],
)
def test_a_prefix_chooses_folders_that_may_hold_its_keys(prefix: str, folder: Folder, chosen: bool) -> None:
    assert Selection(prefix=prefix).has_folder(folder) is chosen


def test_a_window_chooses_hours_and_never_leaves_out_the_old_layout() -> None:
    window = Selection.of({"since": "2026-11-24T12:30:00Z", "until": "2026-11-24T14:00:00+01:00"})
    hours = [Folder("a", f"2026-11-24T{hour:02}") for hour in range(24)]
    assert [folder.hour[-2:] for folder in hours if window.has_folder(folder)] == ["12", "13"]
    assert window.has_folder(Folder("a", ""))
