"""`DictAction`: `--cfg-options key=value …` for scripts that use argparse."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["DictAction"]

_CLOSING = {"(": ")", "[": "]"}
_WORDS = {"true": True, "false": False}


class DictAction(argparse.Action):
    """Collects `KEY=VALUE` arguments to a mapping, for `Config.merge_from_dict`.

    A value is a number, `true`, `false`, `None`, a text, or a list of these: `a,b`, `[a,b]`, `[(1,2),(3,4)]`; round
    brackets make a tuple. `runner train` reads overrides as YAML instead.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's contract
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        """Add the arguments to what the option has collected so far."""
        options = dict(getattr(namespace, str(self.dest), None) or {})
        for text in [values] if isinstance(values, str) else values or ():
            key, equals, value = str(text).partition("=")
            if not equals:
                raise argparse.ArgumentError(self, f"{text!r} has no value; write KEY=VALUE")
            try:
                options[key] = parse_value(value)
            except ValueError as error:
                raise argparse.ArgumentError(self, f"{text!r}: {error}") from error
        setattr(namespace, self.dest, options)


def parse_value(text: str) -> Any:
    """The value that a text stands for.

    Raises:
        ValueError: Its brackets don't match.
    """
    text = text.strip().strip("'\"").strip()
    parts = list(_parts(text))
    if len(parts) > 1:
        return [parse_value(part) for part in parts if part.strip() or part is not parts[-1]]
    closing = _CLOSING.get(text[:1])
    if closing is not None and text.endswith(closing):
        inner = [part for part in _parts(text[1:-1]) if part.strip()]
        items = [parse_value(part) for part in inner]
        return tuple(items) if closing == ")" else items
    return _single(text)


def _parts(text: str) -> Iterator[str]:
    """A text cut at the commas that stand in no brackets."""
    open_brackets: list[str] = []
    start = 0
    for place, character in enumerate(text):
        if character in _CLOSING:
            open_brackets.append(_CLOSING[character])
        elif character in _CLOSING.values():
            if not open_brackets or open_brackets.pop() != character:
                raise ValueError(f"the bracket {character!r} closes none")
        elif character == "," and not open_brackets:
            yield text[start:place]
            start = place + 1
    if open_brackets:
        raise ValueError(f"the bracket {open_brackets[-1]!r} is missing")
    yield text[start:]


def _single(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None if text == "None" else _WORDS.get(text.lower(), text)
