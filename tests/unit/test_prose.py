"""The check of the wording finds what it must find, and nothing else."""

from pathlib import Path

import pytest

from scripts import prose
from scripts.prose import Text


def page(tmp_path: Path, text: str, name: str = "page.md") -> Path:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def text(words: str) -> Text:
    return Text(Path("x"), 1, words)


def checkout(tmp_path: Path, readme: str = "# A tool\n\nIt runs a job.\n", module: str = '"""A module."""\n') -> Path:
    page(tmp_path, readme, "README.md")
    page(tmp_path / "docs", "# Start\n\nRun the command.\n", "start/first.md")
    page(tmp_path, module, "src/tandem/one.py")
    return tmp_path


def test_a_clean_checkout_has_no_problem(tmp_path: Path) -> None:
    assert list(prose.problems(checkout(tmp_path))) == []


def test_a_paragraph_is_read_without_code_and_markup(tmp_path: Path) -> None:
    source = "# Title\n\nA **bold** [link](x.md) to `code here`.\n\n```\nnot read\n```\n\n<!-- nor this -->\n"
    assert [each.text for each in prose.paragraphs(page(tmp_path, source))] == ["Title", "A bold link to code."]


def test_the_content_of_admonitions_and_cells_is_read(tmp_path: Path) -> None:
    source = '!!! note "Hint"\n    Read this.\n\n| a | b |\n|---|---|\n| one cell | another |\n'
    found = [each.text for each in prose.paragraphs(page(tmp_path, source))]
    assert found == ["Read this.", "a", "b", "one cell", "another"]


def test_a_problem_names_file_and_line(tmp_path: Path) -> None:
    readme = "# A tool\n\nIt runs.\n\nWhoever reads this may mend it.\n"
    first, second = prose.problems(checkout(tmp_path, readme))
    assert first.endswith("README.md:5: 'mend': write: fix")
    assert second.endswith("README.md:5: 'Whoever': write: name the actor")


@pytest.mark.parametrize("words", ["mended", "is told", "goes on", "What comes next", "for good", "it is no integer"])
def test_a_word_to_avoid_is_found(words: str, tmp_path: Path) -> None:
    assert len(list(prose.problems(checkout(tmp_path, f"# A tool\n\nThe job {words} here.\n")))) == 1


@pytest.mark.parametrize("words", ["recommended", "tells", "there is no record", "good", "`mend`"])
def test_other_words_are_not(words: str, tmp_path: Path) -> None:
    assert list(prose.problems(checkout(tmp_path, f"# A tool\n\nThe job {words} here. It stops. It ends.\n"))) == []


def test_a_message_is_checked(tmp_path: Path) -> None:
    module = '"""A module."""\n\nX = f"mend the file {1} and start it"\n'
    (found,) = prose.problems(checkout(tmp_path, module=module))
    assert found.endswith("one.py:3: 'mend': write: fix")


def test_a_docstring_is_checked(tmp_path: Path) -> None:
    module = f'"""{"A word " * 12}."""\n'
    (found,) = prose.problems(checkout(tmp_path, module=module))
    assert "first line of 85 characters, at most 80" in found


def test_a_module_has_three_hundred_lines(tmp_path: Path) -> None:
    module = '"""A module."""\n'
    assert list(prose.problems(checkout(tmp_path, module=module + "#\n" * 299))) == []
    (found,) = prose.problems(checkout(tmp_path, module=module + "#\n" * 300))
    assert found.endswith("one.py: 301 lines, at most 300")


def test_strings_that_are_no_sentences_are_not_messages(tmp_path: Path) -> None:
    module = 'A = "SELECT * FROM {x} WHERE a=1"\nB = "mend it"\nC = """\nmend this text of lines now\n"""\n'
    module += 'D = "mend mended list_of names"\n'
    assert list(prose.messages(page(tmp_path, module, "one.py"))) == []


@pytest.mark.parametrize(("number", "problems"), [(30, 0), (31, 1)])
def test_a_sentence_has_thirty_words(number: int, problems: int) -> None:
    assert len(list(prose.long_sentences([text("word " * number)]))) == problems


def test_a_message_may_separate_its_sentences_by_semicolons() -> None:
    words = text("word " * 20 + "; " + "word " * 20)
    assert len(list(prose.long_sentences([words]))) == 1
    assert list(prose.long_sentences([words], at_semicolons=True)) == []


def test_a_name_with_a_dot_ends_no_sentence() -> None:
    assert prose.sentences("See profiles.toml first. It has all. Then run it.") == [
        "See profiles.toml first.",
        "It has all.",
        "Then run it.",
    ]


def test_the_readme_is_one_page(tmp_path: Path) -> None:
    assert list(prose.long_readme(page(tmp_path, "x\n" * 120))) == []
    (lines,) = prose.long_readme(page(tmp_path, "x\n" * 121))
    assert lines.endswith("121 lines, at most 120")
    (width,) = prose.long_readme(page(tmp_path, "x" * 121))
    assert width.endswith("page.md:1: 121 characters, at most 120")


def test_short_words_and_sentences_are_easier_to_read() -> None:
    easy = prose.reading_ease([text("The job stops. It starts again.")])
    hard = prose.reading_ease([text("Deterministic idempotency guarantees necessitate transactional coordination.")])
    assert easy > 100 > 0 > hard
    assert prose.reading_ease([text("a title")]) == 100


def test_a_hard_page_is_a_problem(tmp_path: Path) -> None:
    hard = "Deterministic idempotency guarantees necessitate transactional coordination."
    (found,) = prose.problems(checkout(tmp_path, f"# A tool\n\n{hard}\n"))
    assert "README.md: reading ease" in found


@pytest.mark.parametrize(
    ("word", "number"), [("job", 1), ("watermark", 3), ("tandem", 2), ("deduper", 3), ("frobe", 1)]
)
def test_syllables(word: str, number: int) -> None:
    assert prose.syllables(word) == number


def test_the_linter_finds_a_cliche(tmp_path: Path) -> None:
    found = list(prose.problems(checkout(tmp_path, "# A tool\n\nAt the end of the day it runs.\n")))
    assert any("cliches" in problem for problem in found)


def test_the_exit_code_is_that_of_a_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["prose", str(checkout(tmp_path))])
    assert prose.main() == 0
    assert "README.md: reading ease" in capsys.readouterr().out
    page(tmp_path, "mend it", "README.md")
    assert prose.main() == 1
    assert "write: fix" in capsys.readouterr().err
