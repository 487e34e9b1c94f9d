from __future__ import annotations

from infra.cli.demo.linkage import measure_linkage
from infra.cli.demo.postings import HOSPITALS, Posting


def posting(hospital_index: int, number: int) -> Posting:
    return Posting(HOSPITALS[hospital_index], number, "key", b"")


POSTINGS = {
    f"{side}{number}": posting(index, number) for index, side in enumerate("ab") for number in range(4)
}


def test_recall_counts_true_pairs_that_share_a_token() -> None:
    tokens = [("a0", "t0"), ("b0", "t0"), ("a1", "t1"), ("b1", "other")]
    linkage = measure_linkage(list(POSTINGS.values()), POSTINGS, tokens)
    assert (linkage.true_pairs, linkage.linked, linkage.correct) == (4, 1, 1)
    assert (linkage.recall, linkage.precision) == (0.25, 1.0)


def test_a_pair_with_a_refused_record_counts_against_one_recall_and_not_the_other() -> None:
    accepted = {record: sent for record, sent in POSTINGS.items() if record != "b3"}
    tokens = [(record, f"t{sent.number}") for record, sent in accepted.items()]
    linkage = measure_linkage(list(POSTINGS.values()), accepted, tokens)
    assert (linkage.recall, linkage.recall_of_accepted) == (0.75, 1.0)


def test_strangers_under_one_token_cost_precision() -> None:
    linkage = measure_linkage(list(POSTINGS.values()), POSTINGS, [("a0", "t"), ("b0", "t"), ("b1", "t")])
    assert (linkage.linked, linkage.correct, linkage.precision) == (2, 1, 0.5)


def test_several_tokens_of_one_person_make_one_link() -> None:
    tokens = [("a0", "t"), ("b0", "t"), ("a0", "u"), ("b0", "u")]
    assert measure_linkage(list(POSTINGS.values()), POSTINGS, tokens).linked == 1


def test_records_of_one_hospital_are_not_linked_with_each_other() -> None:
    assert measure_linkage(list(POSTINGS.values()), POSTINGS, [("a0", "t"), ("a1", "t")]).linked == 0


def test_nothing_linked_is_a_precision_of_nothing() -> None:
    assert measure_linkage(list(POSTINGS.values()), {}, []).precision == 0.0
