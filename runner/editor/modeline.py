"""The comment that names a config's schema: `# yaml-language-server: $schema=FILE`."""

from __future__ import annotations

import re

__all__ = ["modeline", "schema_in", "with_modeline"]

_MODELINE = re.compile(r"(?m)^#[ \t]*yaml-language-server[ \t]*:[ \t]*\$schema=(\S*)[^\r\n]*")


def modeline(schema: str) -> str:
    """The line itself, without its end.

    Args:
        schema: The schema's path, relative to the config, with slashes.
    """
    return f"# yaml-language-server: $schema={schema}"


def schema_in(text: str) -> str | None:
    """What a config's modeline names; None where it has none."""
    found = _MODELINE.search(text.removeprefix("\ufeff"))
    return found[1] if found else None


def with_modeline(text: str, schema: str) -> str:
    """The config with this schema in its modeline; everything else stays as it is.

    A modeline that is there is changed in its place; a new one becomes the first line.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    rest = text.removeprefix(mark)
    line = modeline(schema)
    if _MODELINE.search(rest):
        return mark + _MODELINE.sub(lambda _: line, rest, count=1)
    end = "\r\n" if "\r\n" in text else "\n"
    return mark + line + end + rest
