from __future__ import annotations

from typing import Any

import pytest

from sam_offline.errors import TemplateError
from sam_offline.template.intrinsics import Resolver

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Env": {"Type": "String", "Default": "prod", "AllowedValues": ["prod", "local"]},
        "Names": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Size": {"Type": "Number", "Default": 3},
        "Secret": {"Type": "String", "Default": ""},
    },
    "Mappings": {"Sizes": {"us-east-1": {"small": 5}}},
    "Conditions": {
        "IsProd": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
        "IsLocal": {"Fn::Not": [{"Condition": "IsProd"}]},
        "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Condition": "IsLocal"}]},
        "Either": {"Fn::Or": [{"Condition": "IsProd"}, {"Condition": "IsLocal"}]},
    },
    "Resources": {
        "Plain": {"Type": "AWS::Lambda::Function", "Properties": {}},
        "Named": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": {"Fn::Sub": "f-${Env}"}}},
        "Live": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {"Name": "live", "FunctionName": {"Ref": "Named"}},
        },
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "things"}},
        "Queue": {"Type": "AWS::SQS::Queue"},
    },
}

ARN = "arn:aws:lambda:us-east-1:123456789012:function"


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Env"}, "prod"),
        ({"Ref": "Names"}, ["a", "b"]),
        ({"Ref": "Size"}, "3"),
        ({"Ref": "Plain"}, "Plain"),
        ({"Ref": "Named"}, "f-prod"),
        ({"Ref": "Live"}, f"{ARN}:f-prod:live"),
        ({"Ref": "Bucket"}, "things"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "AWS::NoValue"}, None),
        ({"Fn::GetAtt": ["Plain", "Arn"]}, f"{ARN}:Plain"),
        ({"Fn::GetAtt": "Named.Arn"}, f"{ARN}:f-prod"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws:s3:::things"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:aws:sqs:us-east-1:123456789012:Queue"),
        (
            {"Fn::Sub": "${Env}/${Plain.Arn}/${!Literal}/${AWS::AccountId}"},
            f"prod/{ARN}:Plain/${{Literal}}/123456789012",
        ),
        ({"Fn::Sub": ["${x}-${Env}", {"x": {"Ref": "Size"}}]}, "3-prod"),
        ({"Fn::If": ["IsProd", 1, 2]}, 1),
        ({"Fn::If": ["IsLocal", 1, {"Ref": "AWS::NoValue"}]}, None),
        ({"Fn::Join": ["-", ["a", {"Ref": "Env"}]]}, "a-prod"),
        ({"Fn::Join": [",", {"Ref": "Names"}]}, "a,b"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "small"]}, 5),
        ({"Fn::Base64": "a"}, "YQ=="),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}, {"b": [1]}),
    ],
)
def test_an_intrinsic_comes_to_its_value(value: Any, resolved: Any) -> None:
    assert Resolver(TEMPLATE, {}, "us-east-1").resolve(value) == resolved


def test_conditions_follow_the_parameters() -> None:
    resolver = Resolver(TEMPLATE, {"Env": "local"}, "us-east-1")
    held = {name: resolver.holds(name) for name in TEMPLATE["Conditions"]}
    assert held == {"IsProd": False, "IsLocal": True, "Both": False, "Either": True}


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Nobody"},
        {"Fn::GetAtt": ["Nobody", "Arn"]},
        {"Fn::FindInMap": ["Sizes", "us-east-1", "large"]},
        {"Fn::Transform": {}},
        {"Fn::If": ["NoSuchCondition", 1, 2]},
    ],
)
def test_what_cannot_be_resolved_is_an_error(value: Any) -> None:
    with pytest.raises(TemplateError):
        Resolver(TEMPLATE, {}, "us-east-1").resolve(value)


@pytest.mark.parametrize("parameters", [{"Env": "test"}, {"Unknown": "x"}])
def test_a_parameter_that_the_template_does_not_take_is_an_error(parameters: dict[str, str]) -> None:
    with pytest.raises(TemplateError):
        Resolver(TEMPLATE, parameters, "us-east-1")


def test_a_parameter_without_any_value_is_an_error() -> None:
    with pytest.raises(TemplateError):
        Resolver({"Parameters": {"Must": {"Type": "String"}}}, {}, "us-east-1")
