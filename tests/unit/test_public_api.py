"""The public modules: what they offer is there, and importing them is light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tandem.pipeline
import tandem.testing


@pytest.mark.parametrize("module", [tandem.pipeline, tandem.testing], ids=lambda module: module.__name__)
def test_all_that_it_names_is_there(module: object) -> None:
    names = module.__all__  # type: ignore[attr-defined]
    assert all(getattr(module, name).__doc__ for name in names if not isinstance(getattr(module, name), str))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"tandem\.pipeline"):
        _ = tandem.pipeline.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("tandem.pipeline", {"pyspark", "pydantic", "fastavro", "kafka", "pymongo", "structlog"}),
        ("tandem.testing", {"pyspark"}),
    ],
)
def test_importing_it_is_light(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not absent & set(done.stdout.split())


def test_its_functions_are_those_of_the_engine() -> None:
    from tandem.engine.join.interval_join import interval_join

    assert tandem.pipeline.interval_join is interval_join
