"""Makes up declarations of fields for property tests."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tandem.engine.declare.kind import Kind
from tandem.pipeline import FieldType

_DEFAULTS = {str(FieldType.INTEGER): 7, str(FieldType.TEXT): "none", "decimal(5,2)": "1.5", "array": [], "map": {}}


def kinds_of(scalars: Sequence[Kind], names: Sequence[str]) -> st.SearchStrategy[Kind]:
    """Returns types with these scalars, also inside arrays, maps and records with fields of these names."""
    return st.recursive(
        st.sampled_from(scalars),
        lambda inner: (
            st.builds(FieldType.array, inner)
            | st.builds(FieldType.map, inner)
            | st.builds(FieldType.record, fields_of(inner, names))
        ),
        max_leaves=5,
    )


def fields_of(
    kinds: st.SearchStrategy[Kind], names: Sequence[str], least: int = 1
) -> st.SearchStrategy[dict[str, Kind]]:
    """Returns up to four fields, some of them optional or with a default."""
    return st.dictionaries(st.sampled_from(names), kinds.flatmap(_sometimes_absent), min_size=least, max_size=4)


def _sometimes_absent(kind: Kind) -> st.SearchStrategy[Kind]:
    absent = [kind, kind, kind.optional()]
    if str(kind) in _DEFAULTS:
        absent.append(kind.default(_DEFAULTS[str(kind)]))
    return st.sampled_from(absent)
