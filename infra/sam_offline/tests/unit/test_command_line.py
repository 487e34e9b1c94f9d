from __future__ import annotations

import pytest

from sam_offline import __version__
from sam_offline.__main__ import main


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--parameter", "a-secret"),
        ("--parameter", "=a-secret"),
        ("--api-port", "PublicApi=a-secret"),
        ("--api-port", "a-secret"),
        ("--asynchronous-retry-delays", "1,a-secret"),
    ],
)
def test_a_malformed_option_is_named_and_its_value_is_not(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, value])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {option}: is not " in said
    assert "a-secret" not in said


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sam-offline {__version__}\n"
