"""The tests, and where the checkout and their environments' state are."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
STATE = ROOT / ".tandem" / "tests"
