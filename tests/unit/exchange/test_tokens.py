from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import ContractViolation, Misconfigured
from exchange.platform.contracts import contract
from exchange.platform.settings import Settings
from exchange.tokens.identifier import identifier_token
from exchange.tokens.keys import TokenKey, current_key
from exchange.tokens.profile_v1 import person_token
from exchange.tokens.service import tokenize_batch

SECRET = b"dev-tokenizer-secret-change-me"
SETTINGS = Settings(env="local", tokenizer_hmac_secret=SECRET.decode())
SAM = {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01"}
STAY = {"kind": "encounter", "partner_id": "partnerA", "value": "V0012345"}

names = st.text(st.characters(codec="ascii", categories=["L", "Nd", "Zs"]), min_size=1).filter(str.strip)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def token(given_name: str = "Sam", family_name: str = "Lee", ssn: str | None = None) -> str:
    return person_token(
        SECRET, given_name=given_name, family_name=family_name, birth_date="1990-01-01", ssn=ssn
    )


def batch(people: list[Any], identifiers: list[Any]) -> dict[str, Any]:
    return tokenize_batch({"profile": "v1", "people": people, "identifiers": identifiers}, SETTINGS)


def test_the_tokens_of_the_old_system_come_out_byte_for_byte() -> None:
    assert token() == "ce8ae21533b5c005f4e53a1d146221339bb8019cea6eb6981e29ea1d2884d7f6"
    with_ssn = token(ssn="123-45-6789")
    assert with_ssn == "b51ef5f01f3ed1ca4f59b24bce63dda0b6f2be6c0c89274b2cb0534ea7c5c91c"


@given(names, names, st.integers(0, 3))
def test_case_and_blanks_of_a_name_do_not_matter(given_name: str, family_name: str, blanks: int) -> None:
    untidy = " " * blanks + given_name.replace(" ", " \t " * (blanks + 1)).upper() + "\n"
    assert token(untidy, family_name.lower()) == token(given_name, family_name)


@given(st.text("0123456789", min_size=1, max_size=18), st.data())
def test_only_the_digits_of_an_ssn_count(digits: str, data: st.DataObject) -> None:
    formatted = "".join(digit + data.draw(st.sampled_from(["", "-", " ", " - "])) for digit in digits)
    assert token(ssn=formatted) == token(ssn=digits)


@pytest.mark.parametrize("ssn", [None, "", " ", "--", " - "])
def test_an_ssn_without_digits_is_none(ssn: str | None) -> None:
    assert token(ssn=ssn) == token()


@given(names, names)
def test_names_do_not_change_places(one: str, other: str) -> None:
    assert (token(one, other) == token(other, one)) == (
        " ".join(one.split()).lower() == " ".join(other.split()).lower()
    )


@pytest.mark.parametrize("field", ["given_name", "family_name"])
@pytest.mark.parametrize("name", ["a|family_name=b", "a|b", "a=b", "a\0", "", "  ", "a\nb"])
def test_a_name_that_could_imitate_another_person_gets_an_error_in_its_place(field: str, name: str) -> None:
    answer = batch([SAM, {**SAM, field: name}, SAM], [])
    first, refused, last = answer["people"]
    assert first == last == {"tokens": [{"rule": "v1", "token": token()}]}
    assert refused["error"]["field"] == field
    assert refused["error"]["code"] == "contract_violation"


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_no_two_identifiers_share_a_token(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    tokens = [
        identifier_token(SECRET, kind=kind, partner_id=partner_id, value=value)
        for kind, partner_id, value in (one, other)
    ]
    assert (tokens[0] == tokens[1]) == (one == other)


def test_parts_of_an_identifier_cannot_be_shifted_from_one_to_the_next() -> None:
    assert identifier_token(SECRET, kind="ab", partner_id="c", value="d") != identifier_token(
        SECRET, kind="a", partner_id="bc", value="d"
    )


def test_an_identifier_keeps_its_token() -> None:
    key = TokenKey("1", SECRET)
    made = identifier_token(key.identifier_secret, kind="encounter", partner_id="partnerA", value="V1")
    assert made == "bfda25ecccd4e0bf910b6fe9cb79af713b2f31dea97689a2d0c137ee54001f28"


def test_people_and_identifiers_are_hashed_with_different_keys() -> None:
    assert TokenKey("1", SECRET).identifier_secret != SECRET


def test_a_batch_is_answered_in_its_order_and_by_its_contract() -> None:
    answer = batch(
        [SAM, {**SAM, "dob": "1990-02-30"}, {"given_name": "Sam"}, "Sam", None, {**SAM, "ssn": None}],
        [STAY, {**STAY, "value": "V 1"}, {**STAY, "kind": "person"}, 7],
    )
    contract("api/schemas/tokenize.batch.response").validate(answer)
    assert [entry.get("error", {}).get("field") for entry in answer["people"]] == [
        *(None, "dob", "family_name", "$", "$", None)
    ]
    assert [entry.get("error", {}).get("field") for entry in answer["identifiers"]] == [
        *(None, "value", "kind", "$")
    ]
    assert answer["key_version"] == "1"


def test_a_thousand_of_each_are_tokenized() -> None:
    answer = batch([SAM] * 1_000, [STAY] * 1_000)
    contract("api/schemas/tokenize.batch.response").validate(answer)
    assert len(answer["people"]) == len(answer["identifiers"]) == 1_000


@pytest.mark.parametrize(
    ("people", "identifiers", "field"), [(1_001, 0, "people"), (0, 1_001, "identifiers")]
)
def test_one_more_than_a_thousand_is_refused(people: int, identifiers: int, field: str) -> None:
    with pytest.raises(ContractViolation) as refused:
        batch([SAM] * people, [STAY] * identifiers)
    assert refused.value.field == field


@pytest.mark.parametrize("event", [None, [], "x", {}, {"profile": "v2", "people": [], "identifiers": []}])
def test_an_event_that_is_no_batch_is_refused(event: object) -> None:
    with pytest.raises(ContractViolation):
        tokenize_batch(event, SETTINGS)


def test_no_error_of_a_batch_shows_what_was_sent() -> None:
    canary = "Quetzalcoatl"
    answer = batch(
        [{**SAM, "given_name": f"{canary}|"}, {**SAM, "dob": canary}, {**SAM, canary: 1}],
        [{**STAY, "value": f"{canary}!"}, {**STAY, "kind": canary}],
    )
    assert canary not in repr(answer)


def test_a_key_shows_itself_to_nobody() -> None:
    assert SECRET.decode() not in repr(TokenKey("1", SECRET))
    assert SECRET.decode() not in repr(SETTINGS)


def test_there_is_no_token_without_a_key() -> None:
    with pytest.raises(Misconfigured, match="TOKENIZER_HMAC_SECRET"):
        current_key(Settings(env="local"))
    with pytest.raises(Misconfigured, match="TOKENIZER_SECRET_ARN"):
        current_key(Settings(env="prod", tokenizer_hmac_secret="never read outside local"))
