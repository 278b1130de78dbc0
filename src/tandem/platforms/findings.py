"""Makes checks and turns their values and errors into findings."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kafka.errors import KafkaError
from pymongo.errors import PyMongoError

from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms import service_checks

# The check without which another one would only report the same problem again.
_NEEDS = {
    "login": "settings",
    **dict.fromkeys(("roles", "APIs", "network", "bucket", "secrets", "cluster", "job", "runtime"), "login"),
    "bucket's costs": "bucket",
    **dict.fromkeys(("Kafka's topics", "Kafka's rights", "record times", "Kafka's clock"), "Kafka"),
    "MongoDB's clock": "MongoDB",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: its name.
        state: ``good``, ``bad``, or ``skipped`` if it does not apply now.
        value: what was found, or why it was skipped.
        fix: what to do; only if it is bad.
    """

    check: str
    state: str
    value: str
    fix: str | None = None


def findings(checks: Mapping[str, Callable[[], str]]) -> Iterator[Finding]:
    """Yields the result of each check.

    A check that needs one that failed is skipped, because it would report the same problem again.
    """
    unmet: dict[str, str] = {}
    for name, check in checks.items():
        if problem := unmet.get(_NEEDS.get(name, "")):
            unmet[name] = problem
            yield Finding(name, "skipped", problem)
            continue
        finding, prevents = _found(name, check)
        if prevents:
            unmet[name] = f"needs the check {name!r}, which failed"
        yield finding


def _found(name: str, check: Callable[[], str]) -> tuple[Finding, bool]:
    """Returns the result, and whether it makes other checks pointless.

    Those that need this one would fail for the same reason.
    """
    try:
        return Finding(name, "good", check()), False
    except service_checks.Skipped as reason:
        return Finding(name, "skipped", str(reason)), False
    except TandemError as error:
        return Finding(name, "bad", str(error), error.hint), isinstance(error, UsageError | EnvironmentNotReadyError)
    except (KafkaError, PyMongoError) as error:
        return Finding(name, "bad", f"does not answer: {type(error).__name__}", service_checks.START), True
    except (OSError, subprocess.SubprocessError) as error:  # the other checks still run
        message = " ".join(str(error).split())[:200] or type(error).__name__
        return Finding(name, "bad", f"check failed: {message}", "fix it and run `tandem doctor` again"), False
