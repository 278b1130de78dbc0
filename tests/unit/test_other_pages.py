"""The links of the dashboard to other programs' pages: only while these answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tandem.dashboard.other_pages import OtherPage, OtherPagesWatch, pages_of, parsed
from tandem.dashboard.state import PipelineState
from tandem.errors import UsageError
from tandem.settings.load import load
from tests import dashboard
from tests.dashboard import wait_until


@pytest.fixture
def program() -> Iterator[socket.socket]:
    """A program that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def page_at(program: socket.socket, name: str = "Spark") -> OtherPage:
    port = program.getsockname()[1]
    return OtherPage(name, f"http://127.0.0.1:{port}", "127.0.0.1", port)


def test_a_page_is_linked_to_while_its_program_answers(program: socket.socket) -> None:
    state, page = PipelineState(), page_at(program)
    watch = OtherPagesWatch([page, OtherPage("away", "http://127.0.0.1:1", "127.0.0.1", 1)], state)
    watch.look()
    assert state.other_pages == [{"name": "Spark", "url": page.url}]
    before = state.version
    watch.look()
    assert state.version == before
    program.close()
    watch.look()
    assert (state.other_pages, state.version) == ([], before + 1)


def test_a_host_without_an_address_does_not_answer() -> None:
    assert not OtherPage("Kafka UI", "http://127.0.0.1:1", "kafka-ui.invalid", 8080).answers()


def test_open_pages_get_the_links(program: socket.socket) -> None:
    page = page_at(program)
    with dashboard.served([page]) as (address, _):

        def links() -> list[dict[str, str]]:
            with urlopen(f"{address}/api/now") as answer:
                found: list[dict[str, str]] = json.load(answer)["other_pages"]
            return found

        wait_until(lambda: links() == [{"name": "Spark", "url": page.url}])


def test_an_argument_names_the_page_for_the_browser_and_the_program_for_the_dashboard() -> None:
    assert parsed("Spark job=http://127.0.0.1:14040=job:4040") == OtherPage(
        "Spark job", "http://127.0.0.1:14040", "job", 4040
    )
    for wrong in ("", "Spark", "Spark=http://a", "Spark=http://a=job", "=http://a=job:1", "Spark=ftp://a=job:1"):
        with pytest.raises(UsageError, match="is not NAME=URL=HOST:PORT"):
            parsed(wrong)


@pytest.mark.parametrize(("profile", "own"), [("embedded", ["Spark job"]), ("rehearsal", ["Spark job"]), ("local", [])])
def test_the_page_of_a_driver_on_this_machine_needs_no_argument(profile: str, own: list[str]) -> None:
    settings = load(profile, {"ui": {"spark_port": 4711}})
    named = OtherPage("Kafka UI", "http://127.0.0.1:1", "kafka-ui", 8080)
    found = pages_of(settings, [named])
    assert [page.name for page in found] == [*own, "Kafka UI"]
    assert all(page.url == "http://127.0.0.1:4711" for page in found[:-1])
