"""The README's commands, for the layers that run them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern

from tests import ROOT

CONTAINERS = "In containers"
OWN = "A pipeline of your own"


def commands(section: str | None = None) -> list[str]:
    """Returns the commands as they stand there: those of a section, or all that are in neither of the above."""
    sections = re.split(r"^##+ ", (ROOT / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    if section is None:
        chosen = [text for text in sections if not text.startswith((CONTAINERS, OWN))]
    else:
        chosen = [text for text in sections if text.startswith(section)]
    return _commands_in("\n".join(chosen))


def commands_of(page: str) -> list[str]:
    """Returns the commands of a page in docs/ that can be run where there is no cloud."""
    return _commands_in((ROOT / "docs" / page).read_text("utf-8"))


def _commands_in(text: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def use_mongodb(port: int) -> str:
    """Returns the README's address of MongoDB at another port, after using it as a client of a user's may.

    It writes for a majority, commits a transaction and is told of both by a change stream.
    """
    row = next(line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("| MongoDB |"))
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
