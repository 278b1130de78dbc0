"""Tests the names and the dead letters' topics of all pipelines in this folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tandem.pipeline import Pipeline

NAMES = sorted(file.parent.name for file in Path(__file__).parent.glob("*/transform.py"))


def pipeline(name: str) -> Pipeline:
    found: Pipeline = import_module(f"pipelines.{name}.transform").PIPELINE
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_has_the_name_of_its_folder(name: str) -> None:
    assert pipeline(name).name == name


def test_no_two_pipelines_share_a_topic_of_dead_letters() -> None:
    topics = [pipeline(name).dead_letter_topic for name in NAMES]
    assert len(set(topics)) == len(topics)
