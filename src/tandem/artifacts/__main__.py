"""Rewrites ``jars.lock`` (``--relock``) or fetches its jars (``--fetch FOLDER``)."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tandem.artifacts.cache import ensure_jars
from tandem.artifacts.ivy import fetch, spark_jars
from tandem.artifacts.lock import ARCHIVE, JAR, Jar, JarSet, lock_file, render, sha256_of
from tandem.errors import run_program
from tandem.runtimes import runtimes


def resolve(name: str, packages: tuple[str, ...], java: str) -> JarSet:
    """Returns the packages with their dependencies, without the jars that Spark ships."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # An artifact with a classifier bundles its dependencies.
        transitive = all(package.count(":") == 2 for package in packages)
        pattern = "jars/[organisation]/[artifact]/[revision](/[classifier]).[ext]"
        fetch(packages, java=java, into=root, pattern=pattern, transitive=transitive)
        files = sorted(each for each in (root / "jars").rglob("*") if each.is_file())
        jars = [_jar(file, root / "jars") for file in files]
    if name in {row.jars for row in runtimes().rows.values()}:
        shipped = [file.name for file in spark_jars().glob("*.jar")]
        # An artifact's name followed by a digit: `kafka-clients-3.9.2.jar` is kafka-clients in any version.
        jars = [jar for jar in jars if not any(_is_version_of(file, jar.artifact) for file in shipped)]
    return JarSet(name, tuple(sorted(jars)))


def _jar(file: Path, root: Path) -> Jar:
    *parts, name = file.relative_to(root).parts
    # The last folder is the version, or the file is named after the classifier.
    ending = next(each for each in (JAR, ARCHIVE) if name.endswith(f".{each}"))
    group, artifact, version, *classifier = (*parts, name.removesuffix(f".{ending}"))
    return Jar(group, artifact, version, sha256_of(file), next(iter(classifier), None), ending)


def _is_version_of(file: str, artifact: str) -> bool:
    rest = file.removeprefix(f"{artifact}-")
    return rest != file and rest[:1].isdigit()


def main() -> None:
    """Does what the options say."""
    parser = argparse.ArgumentParser(prog="python -m tandem.artifacts", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--relock", action="store_true", help="resolve runtimes.toml and write jars.lock")
    mode.add_argument("--fetch", type=Path, metavar="FOLDER", help="put each verified set into FOLDER/jars")
    parser.add_argument("--set", action="append", help="a set to fetch instead of those of an environment; repeatable")
    parser.add_argument("--java", default="java", help="the java program to run Ivy with")
    arguments = parser.parse_args()
    if arguments.relock:
        sets = {name: resolve(name, packages, arguments.java) for name, packages in runtimes().packages.items()}
        lock_file().write_text(render(sets), "utf-8")
    else:
        ensure_jars(arguments.fetch, arguments.java, arguments.set)


if __name__ == "__main__":
    raise SystemExit(run_program(main))
