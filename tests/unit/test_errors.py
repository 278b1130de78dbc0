"""The exit codes of programs that are no commands."""

from __future__ import annotations

import pytest

from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError, run_program


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TandemError("it failed", hint="look"), 1),
        (UsageError("it failed", hint="look"), 2),
        (EnvironmentNotReadyError("it failed", hint="look"), 3),
    ],
)
def test_an_expected_error_is_printed_with_its_hint(
    capsys: pytest.CaptureFixture[str], error: TandemError, code: int
) -> None:
    def fail() -> None:
        raise error

    assert run_program(fail) == code
    assert capsys.readouterr().err == "error: it failed\nhint: look\n"


def test_a_program_without_an_error_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(lambda: None) == 0
    assert capsys.readouterr().err == ""


def test_another_error_has_its_stack_trace() -> None:
    def fail() -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        run_program(fail)
