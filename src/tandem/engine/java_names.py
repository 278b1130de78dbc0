"""Lets Python know what a Java name means once it has asked.

py4j asks Java each time that a name is used, and Java looks for what is no class in every jar: ``functions`` in each
package that PySpark imports, ``org`` of a dotted name. PySpark itself does so five hundred times for one small batch.
"""

from __future__ import annotations

from typing import Any

from py4j.java_gateway import JavaPackage, JVMView


def remember_java_names() -> None:
    """Makes py4j ask once for each name, in this process. What is a class or a package stays one."""
    for asks in (JVMView, JavaPackage):
        _remember(asks)


def _remember(asks: Any) -> None:
    ask = asks.__getattr__
    if getattr(ask, "remembers", False):
        return

    def remembered(self: Any, name: str) -> Any:
        found = ask(self, name)
        # Python asks __getattr__ only for what is not here.
        vars(self)[name] = found
        return found

    remembered.remembers = True  # type: ignore[attr-defined]
    asks.__getattr__ = remembered
