"""Compiles Protobuf schemas to descriptors, by Protobuf's own compiler."""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError

from tandem.errors import EnvironmentNotReadyError, install_hint
from tandem.foreign import inherited
from tandem.schema_registry.map_entries import restore, without_option

# No import has this name.
_MAIN = "schema-to-compile.proto"
_COMPILER, _GOOGLE = "grpc_tools", "google.type"
_TIMEOUT_S = 60
# The compiler also writes lines of a log.
_REASON = re.compile(r"[^\s:]+\.proto:")


def descriptor_of(text: str, references: Mapping[str, str], folders: Sequence[Path] = ()) -> str:
    """Returns the descriptor of a schema in Protobuf's JSON form.

    It includes what the schema imports.

    Args:
        text: the schema, as text or as a ``FileDescriptorProto`` in base64: a registry has it as it was registered.
        references: the same of the schemas that it imports, by the names in the import statements. Those of Google and
            Confluent are known.
        folders: where other imported files are.

    Raises:
        ValueError: the compiler rejects it; the message has the reason.
        EnvironmentNotReadyError: the compiler is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="tandem-") as made:
        own = Path(made)
        given, entries = descriptor_pb2.FileDescriptorSet(), {}
        for name, content in {**references, _MAIN: text}.items():
            parsed = _parsed(content)
            if parsed is None:
                plain, entries[name] = without_option(content)
                _write(own, name, plain)
            else:
                parsed.name = name
                given.file.append(parsed)
        (own / "given.bin").write_bytes(given.SerializeToString())
        _compile(own, folders)
        found = _descriptor_set().FromString((own / "found.bin").read_bytes())
    for file in found.file:
        restore(file, entries.get(file.name, ()))
    return str(json_format.MessageToJson(found))


def _descriptor_set() -> Any:
    """Returns a class that does not know the options of packages in this process.

    A reader of the JSON form needs all options that are in there.
    """
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))


def _parsed(content: str) -> descriptor_pb2.FileDescriptorProto | None:
    """Returns the descriptor of a schema that was registered as one; None for a text."""
    try:
        found = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(content.strip(), validate=True))
    except (binascii.Error, DecodeError, ValueError):
        return None
    return found if found.ByteSize() else None


def _write(folder: Path, name: str, content: str) -> None:
    """Writes a file below the folder; its name comes from a registry."""
    try:
        file = (folder / name).resolve()
        if file.is_relative_to(folder.resolve()):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8")
            return
    except (OSError, ValueError):
        raise ValueError(f"the import {name!r} cannot be the name of a file") from None
    raise ValueError(f"the import {name} leads out of the folder")


def _compile(folder: Path, imported: Sequence[Path]) -> None:
    if find_spec(_COMPILER) is None:
        raise EnvironmentNotReadyError("Protobuf's compiler is not installed", hint=install_hint("protobuf"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={folder}"]
    command += [f"--proto_path={each}" for each in (*imported, *_known_imports())]
    command += [f"--descriptor_set_in={folder / 'given.bin'}", f"--descriptor_set_out={folder / 'found.bin'}"]
    command += ["--include_imports", _MAIN]
    # In another folder, the compiler would look there for a file of the schema's name first.
    done = subprocess.run(
        command, cwd=folder, env=inherited(), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if _REASON.match(line)] or ["the compiler rejects it"]
        raise ValueError(reasons[0].removeprefix(f"{folder}/").removeprefix(f"{_MAIN}:"))


def _known_imports() -> list[Path]:
    """Returns the folders with the schemas that need no reference."""
    google = find_spec(_GOOGLE)
    roots = [Path(each).parents[1] for each in (google.submodule_search_locations or ())] if google else []
    own = resources.files(__package__).joinpath("proto")
    compiler = resources.files(_COMPILER).joinpath("_proto")
    return [Path(str(own)), Path(str(compiler)), *roots]
