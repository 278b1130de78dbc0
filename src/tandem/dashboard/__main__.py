"""``python -m tandem.dashboard``: serves the dashboard of a profile's pipelines."""

from __future__ import annotations

import argparse
from pathlib import Path

import structlog
import uvicorn

from tandem import log
from tandem.dashboard.other_pages import parsed
from tandem.dashboard.pages import Pages
from tandem.dashboard.server import application
from tandem.errors import run_program
from tandem.pipeline_registry import PipelineRegistry, handed_on
from tandem.settings.load import load, read_settings
from tandem.settings.model import Settings

_LOOPBACK = "127.0.0.1"


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tandem.dashboard", description=__doc__)
    parser.add_argument("--settings", type=Path, help="a file with all settings; default: those of TANDEM_PROFILE")
    parser.add_argument(
        "--registry", type=Path, help="a folder of settings, one file for each pipeline that runs; default: those named"
    )
    parser.add_argument(
        "--page", metavar="NAME=URL=HOST:PORT", action="append", default=[], help="link to URL while HOST:PORT answers"
    )
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help="default: 127.0.0.1 and the port of the settings")
    arguments = parser.parse_args()
    named = [handed_on(arguments.settings)] if arguments.settings else _named()
    settings, registry = named[0], arguments.registry and PipelineRegistry(arguments.registry)
    pages = [parsed(text) for text in arguments.page]
    log.to_stderr(settings.log.format)
    url = f"http://{_LOOPBACK}:{settings.ui.dashboard_port}"
    host, _, port = (arguments.listen or f"{_LOOPBACK}:{settings.ui.dashboard_port}").rpartition(":")
    # While the environment starts, no pipeline is registered yet.
    app = application(Pages(lambda: (registry and registry.readable()) or named, pages))
    structlog.get_logger(__name__).info("dashboard", url=url, profile=settings.profile)
    # An open page must not keep the server from stopping.
    uvicorn.run(app, host=host, port=int(port), log_level="warning", timeout_graceful_shutdown=2)


def _named() -> list[Settings]:
    return [load(overrides={"pipeline": name}) for name in read_settings().pipelines]


if __name__ == "__main__":
    raise SystemExit(run_program(main))
