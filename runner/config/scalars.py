"""Scalars of the YAML 1.2 core schema: which value a plain text is, and how a value is written.

`1e-3` is a number, `010` is ten, `no`, `1:30` and `2024-05-01` are texts.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["NumberError", "read_plain", "write_key", "write_scalar"]

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_LONGEST_NUMBER = 400
_NUMBER_STARTS = frozenset("0123456789+-.")


class NumberError(ValueError):
    """A number that no machine number can hold."""


def read_plain(text: str) -> str | int | float | bool | None:
    """Give a text without quotes the value that it has in YAML 1.2's core schema."""
    if text in _WORDS:
        value: bool | float | None = _WORDS[text]
        return value
    if text[0] not in _NUMBER_STARTS:
        return text
    if _FLOAT.fullmatch(text):
        if len(text) > _LONGEST_NUMBER:
            raise NumberError(f"a number of {len(text)} characters is too long")
        if _DECIMAL.fullmatch(text):
            return int(text)
        number = float(text)
        if number in {float("inf"), float("-inf")}:
            raise NumberError(f"{text} is larger than any floating-point number; infinity is written .inf")
        return number
    base = 8 if _OCTAL.fullmatch(text) else 16 if _HEX.fullmatch(text) else None
    if base is None:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise NumberError(f"a number of {len(text)} characters is too long")
    return int(text[2:], base)


# What can stand without quotes. Stricter than YAML, so that a reader need not know its rules. The patterns are texts,
# since most processes only read configs, and the set of printable characters takes milliseconds to compile.
_PLAIN_IN_FLOW = r"[A-Za-z0-9_./][A-Za-z0-9_./+@%=*^()\\-]*(?: [A-Za-z0-9_./+@%=*^()\\-]+)*"
_PLAIN_IN_BLOCK = (
    r"(?:[A-Za-z0-9_./$(])(?:[A-Za-z0-9_./+@%=*^()\\\-{}$,;!?<>|&~'\"\[\]]|:(?=[^ \n])| (?=[^ #:]))*(?<![: ])"
)
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\0": "\\0",
    "\b": "\\b",
    "\f": "\\f",
    "\x1b": "\\e",
}
_UNPRINTABLE = '["\\\\]|[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]'


def write_scalar(value: Any, *, flow: bool = False) -> str:
    """Write a value so that it is read back equal.

    Args:
        value: Text, a number, a boolean or None.
        flow: Whether it is to stand between brackets, where fewer texts can go without quotes.

    Raises:
        TypeError: The value is none of these.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, str):
        return _write_text(value, _PLAIN_IN_FLOW if flow else _PLAIN_IN_BLOCK)
    raise TypeError(f"a {type(value).__name__} cannot be written as YAML")


def write_key(key: str) -> str:
    """Write a mapping's key, with quotes where it needs them."""
    return _write_text(key, _PLAIN_IN_FLOW)


def _write_float(value: float) -> str:
    text = float.__repr__(value)
    return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)


def _write_text(text: str, plain: str) -> str:
    # A text that begins with dots could be the end of a document.
    if re.fullmatch(plain, text) and not text.startswith("...") and _is_text(text):
        return text
    return '"' + re.sub(_UNPRINTABLE, _escape, text) + '"'


def _is_text(text: str) -> bool:
    try:
        return isinstance(read_plain(text), str)
    except NumberError:
        return False


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
