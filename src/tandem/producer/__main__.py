"""``python -m tandem.producer``: sends samples of all streams until stopped."""

from __future__ import annotations

import argparse
import signal
import threading
from datetime import UTC, datetime

from tandem import log
from tandem.catalog import declared_by
from tandem.errors import run_program
from tandem.foreign import inherited
from tandem.producer.api import produce
from tandem.producer.lookup import lookups_of, store_lookups
from tandem.producer.record_plan import DEFAULT_REAL_RATE, Mix, Plan
from tandem.settings.load import load_one
from tandem.settings.protection import OPTION, check_sending


def main() -> None:
    """Sends until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tandem.producer", description=__doc__)
    parser.add_argument("--rate", type=float, default=DEFAULT_REAL_RATE, help="events of the first stream a second")
    parser.add_argument(
        "--metrics",
        metavar="ADDRESS:PORT",
        help="serve the first stream's metrics here; the others use the following ports",
    )
    parser.add_argument(OPTION, metavar="PROFILE", help="name of the protected profile")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = load_one()
    check_sending(settings, options.confirm)
    log.to_stderr(settings.log.format)
    location = settings.location
    # Every process computes the same events, so a restarted one resumes.
    plan = Plan(seed=1, count=None, start=datetime.now(UTC), mix=Mix(late=0), rate=options.rate)
    store_lookups(settings.mongo, lookups_of(location), plan)
    produce(
        [stream.name for stream in declared_by(location).streams],
        plan,
        profile=settings.profile,
        confirmed=True,
        variables=location.variables(inherited()),
        metrics=options.metrics,
        stop=stop,
    )


if __name__ == "__main__":
    raise SystemExit(run_program(main))
