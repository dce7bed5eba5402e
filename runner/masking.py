"""What `${env:…}` brought into this process, so that no text that is shown or kept holds it.

Dumps and checkpoints hold references by themselves. This is for what other code makes of the values: a message, an error,
a traceback. A value that is a place of the file system is none to hide, and of what is short or a number there is no
telling where it is meant.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO, cast

__all__ = ["mask", "mask_texts", "masked_output", "remember"]

SHORTEST: Final = 6
"""Characters of a value that is hidden. A shorter one would be hidden in words that have nothing to do with it."""

_references: dict[str, str] = {}
"""The texts to hide, the longest first, and what is shown in their place."""


def remember(environment: Mapping[str, str | None]) -> None:
    """Hide what the environment brought in from here on, as long as this process lives.

    Args:
        environment: The variables that a config asked for; None for those that are not set.
    """
    # A text of several lines is shown line by line, each behind a time or an indent.
    secrets = [
        (name, part)
        for name, value in environment.items()
        if value is not None
        for part in dict.fromkeys((value, *(line.strip() for line in value.splitlines())))
        if _is_secret(part)
    ]
    if not secrets:
        return
    from urllib.parse import quote

    known = dict(_references)
    for name, value in secrets:
        # As it is, and as JSON (in JSON), `repr` and an address write it.
        texts = {
            value,
            value.strip(),
            _in_json(value),
            _in_json(_in_json(value)),
            repr(value)[1:-1],
            quote(value),
            quote(value, safe=""),
        }
        for text in texts:
            known.setdefault(text, f"${{env:{name}}}")
    _references.clear()
    _references.update(sorted(known.items(), key=lambda item: len(item[0]), reverse=True))


def mask(text: str) -> str:
    """Return a text with `${env:NAME}` in place of what that brought in."""
    if not any(value in text for value in _references):
        return text
    # In one pass, that leaves alone what stands there as a reference already: a value may be a part of some variable's name.
    known = (re.escape(each) for each in (*dict.fromkeys(_references.values()), *_references))
    return re.sub("|".join(known), lambda found: _references.get(found[0], found[0]), text)


def mask_texts(value: Any) -> Any:
    """Return plain data with each text in it masked."""
    if not _references:
        return value
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: mask_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_texts(item) for item in value]
    if isinstance(value, tuple):
        return tuple(mask_texts(item) for item in value)
    return value


@contextmanager
def masked_output() -> Iterator[None]:
    """Mask, for the block, whatever this process writes as text to its two outputs."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", _Masked(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Masked:
    """A text stream that masks what is written to it; in all else the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, masked; returns how many characters that took away."""
        self._stream.write(mask(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _is_secret(value: str) -> bool:
    text = value.strip()
    if len(text) < SHORTEST or text.lower() in {"true", "false"}:
        return False
    try:
        float(text)
    except ValueError:
        return not _is_place(text)
    return False


def _is_place(text: str) -> bool:
    """Whether a text is a path that is there, or could be made where it is."""
    if len(text) > 1000 or "\n" in text or not text.startswith((os.sep, "~", ".")):
        return False
    try:
        path = Path(text).expanduser()
        return path.exists() or (path.parent != Path(path.anchor) and path.parent.exists())
    except (OSError, ValueError, RuntimeError):
        return False
