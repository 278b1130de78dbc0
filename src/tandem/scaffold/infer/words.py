"""Tells what fields are likely to mean by the words of their names."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")


def _those(words: str) -> frozenset[str]:
    return frozenset(words.split())


_IDENTIFIERS = _those("id uuid guid ulid oid")
_NUMBERS = _those("key number no nr num code reference ref ean isbn iban gtin sku phone card account")
_POSITIONS = _those("line position item seq sequence index version revision")
_TIMES = _those(
    "at ts time timestamp date datetime when epoch created updated modified occurred since millis micros ms us"
)
_MONEY = _those(
    "amount price total subtotal cost costs fee fees tax vat discount balance sum net gross refund revenue salary "
    "tip money usd eur gbp chf"
)
_NO_MONEY = _those(
    "rate rates percent percentage pct ratio factor share count index id code lat latitude lon lng longitude"
)
_WRAPPERS = _those("after data payload body value record event message detail object new fields properties attributes")
_HAPPENED = _those("event occurred happened timestamp ts time")
_NOT_HAPPENED = _those(
    "expires expiry expire expiration due until valid deadline birth birthday born dob delivery end ends deleted "
    "canceled cancelled scheduled planned next"
)


def words_of(name: str) -> list[str]:
    """Returns the words of a name, in lower case.

    >>> words_of("orderCreatedAt"), words_of("customer-ID 2")
    (['order', 'created', 'at'], ['customer', 'id', '2'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def singular(name: str) -> str:
    """Returns the singular of an English plural; any other word as it is.

    >>> singular("orders"), singular("addresses"), singular("deliveries"), singular("status"), singular("data")
    ('order', 'address', 'delivery', 'status', 'data')
    """
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    if name.endswith(("sses", "xes", "ches", "shes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us", "is")) and len(name) > 2 else name


def is_time_like(name: str) -> bool:
    """Returns whether a field of this name is likely to have a time."""
    return not _TIMES.isdisjoint(words_of(name))


def is_number_like(name: str) -> bool:
    """Returns whether an integer of this name is likely to identify something."""
    return not (_IDENTIFIERS | _NUMBERS).isdisjoint(words_of(name))


def is_money_like(name: str) -> bool:
    """Returns whether a number of this name is likely to be an amount of money.

    >>> is_money_like("totalPrice"), is_money_like("tax_rate"), is_money_like("temperature")
    (True, False, False)
    """
    words = words_of(name)
    return not _MONEY.isdisjoint(words) and _NO_MONEY.isdisjoint(words)


def is_position_like(name: str) -> bool:
    """Returns whether a field of this name is likely to tell parts of one thing apart."""
    return not _POSITIONS.isdisjoint(words_of(name))


def is_wrapper(words: list[str]) -> bool:
    """Returns whether a record of this name only wraps another one."""
    return len(words) == 1 and words[0] in _WRAPPERS


def identity_score(name: str, kind_of_record: str) -> int:
    """Returns how likely a field of this name identifies a record, 0 for not at all.

    Args:
        name: the field's name.
        kind_of_record: what one record is called, such as ``order``.
    """
    words, record = words_of(name), words_of(kind_of_record)
    if not words:
        return 0
    is_its_own = 10 if record and words[: len(record)] == record and len(words) > len(record) else 0
    if words[-1] in _IDENTIFIERS:
        return (95 if len(words) == 1 else 70) + 3 * is_its_own
    if words[-1] in ("key", "number", "no", "nr", "num", "code", "reference", "ref"):
        return 50 + 2 * is_its_own
    return 0


def time_score(name: str) -> int:
    """Returns how likely a time of this name is when the event happened."""
    words = frozenset(words_of(name))
    score = 50
    if words & _HAPPENED:
        score += 25
    if "created" in words:
        score += 20
    elif "at" in words:
        score += 15
    if words & {"updated", "modified", "processed", "ingested"}:
        score -= 30
    return score - 60 if words & _NOT_HAPPENED else score
