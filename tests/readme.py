"""The commands and examples of README and docs, for the layers that run them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern

from tests import ROOT

README = ROOT / "README.md"
PROCESSES, CONTAINERS, TUTORIAL = "start/processes.md", "start/containers.md", "start/tutorial.md"
PROJECT = "start/project.md"


def blocks_of(file: Path, language: str) -> list[str]:
    """Returns the code blocks of a language in a Markdown file."""
    return re.findall(rf"```{language}\n(.*?)```", file.read_text("utf-8"), re.DOTALL)


def commands_of(page: str | Path) -> list[str]:
    """Returns the commands of a page: its path in docs/, or a file. All of them can be run where there is no cloud."""
    blocks = blocks_of(ROOT / "docs" / page, "bash")
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def use_mongodb(port: int) -> str:
    """Returns the documented address of MongoDB at another port, after using it as a client of a user's may.

    It writes for a majority, commits a transaction and is told of both by a change stream.
    """
    text = (ROOT / "docs" / PROCESSES).read_text("utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| MongoDB | `mongodb:"))
    address = re.findall(r"`(mongodb://[^`]+)`", row)[0].replace(":27117/", f":{port}/")
    with MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=5000) as client:
        notes = client.get_database("readme", write_concern=WriteConcern("majority"))["notes"]
        notes.insert_one({"_id": "before"})
        with notes.watch() as changes:
            assert notes.insert_one({"_id": "one"}).acknowledged
            with client.start_session() as session, session.start_transaction():
                notes.insert_one({"_id": "two"}, session=session)
            assert [next(changes)["documentKey"]["_id"] for _ in range(2)] == ["one", "two"]
        client.drop_database("readme")
    return address


def run(command: str, variables: dict[str, str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Returns the finished command, which must have succeeded."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
