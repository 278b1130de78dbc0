"""The locale that child programs run in, whatever this process's is."""

from __future__ import annotations

import sys

# Java and Python read arguments and file names by it: in the locale C a path with an accent names another folder.
UTF8 = {"LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"}
