from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_offline.gateway.policies import Effect, MalformedPolicy, evaluate

ARN = "arn:aws:execute-api:us-east-1:123456789012:Api/Prod/GET/people/7"


def statement(effect: str = "Allow", resource: Any = ARN, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource, **more}


def effect_of(*statements: Any) -> Effect:
    return evaluate({"Version": "2012-10-17", "Statement": list(statements)}, ARN, "127.0.0.1")


@pytest.mark.parametrize(
    ("statements", "effect"),
    [
        ([statement()], Effect.ALLOW),
        ([statement(resource="*")], Effect.ALLOW),
        ([statement(resource="arn:aws:execute-api:*:*:Api/*/GET/people/?")], Effect.ALLOW),
        ([statement(resource=["arn:aws:x", ARN])], Effect.ALLOW),
        ([statement(resource=ARN + "0")], Effect.NONE),
        ([statement(resource=ARN[:-1])], Effect.NONE),
        ([statement(resource=ARN.replace(".", "x").upper())], Effect.NONE),
        ([statement(Action="execute-api:invoke")], Effect.ALLOW),
        ([statement(Action=["s3:*", "execute-api:*"])], Effect.ALLOW),
        ([statement(Action="s3:GetObject")], Effect.NONE),
        ([statement(), statement("Deny")], Effect.DENY),
        ([statement("Deny"), statement()], Effect.DENY),
        ([statement("Deny", resource="arn:aws:x"), statement()], Effect.ALLOW),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:x"}], Effect.ALLOW),
        ([{"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}], Effect.DENY),
        ([statement(Condition={})], Effect.ALLOW),
        ([statement(Condition={"IpAddress": {}})], Effect.ALLOW),
        ([statement(Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.0/8"]}})], Effect.ALLOW),
        ([statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], Effect.NONE),
        ([statement(Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], Effect.ALLOW),
        ([statement(Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}})], Effect.NONE),
        ([statement("Deny", Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}})], Effect.DENY),
    ],
)
def test_deny_goes_over_allow_and_what_is_not_named_is_not_allowed(
    statements: list[Any], effect: Effect
) -> None:
    assert effect_of(*statements) is effect


@pytest.mark.parametrize(
    "policy",
    [
        None,
        {},
        {"Statement": []},
        {"Statement": "Allow"},
        {"Statement": ["Allow"]},
        {"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": [1]}]},
        {"Statement": [statement(Condition="always")]},
        {"Statement": [statement(Condition={"IpAddress": {"aws:SourceIp": "home"}})]},
    ],
)
def test_what_is_no_policy_is_an_error(policy: Any) -> None:
    with pytest.raises(MalformedPolicy):
        evaluate(policy, ARN, "127.0.0.1")


@given(
    st.recursive(st.none() | st.booleans() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s))
)
def test_nothing_at_all_but_a_policy_allows_anything(policy: Any) -> None:
    try:
        effect = evaluate(policy, ARN, "127.0.0.1")
    except MalformedPolicy:
        return
    assert effect is Effect.NONE
