"""`format_text`: the text of a config, laid out anew and held against what it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from runner.config.document import Origin, read_document
from runner.config.layout.indent import indented
from runner.config.layout.order import ordered
from runner.config.layout.spacing import spaced
from runner.config.layout.syntax import CannotFormat, Syntax
from runner.config.nodes import Node, NodeList, NodeMap, Scalar, same

__all__ = ["CannotFormat", "format_text"]

_OTHER_BREAKS = "[\r\x85\u2028\u2029]"


def format_text(text: str, fields: Sequence[str]) -> str:
    """Lay out a config's text.

    Args:
        text: YAML without mistakes.
        fields: The fields at the top, in their order; others come last.

    Returns:
        A text that means the same and has the same comments. Formatted again, it stays as it is.

    Raises:
        CannotFormat: The text is of a form that is left as it is, or something of it would be lost.
    """
    if re.search(_OTHER_BREAKS, text):
        raise CannotFormat("it has line breaks of several kinds")
    whole = text if text.endswith("\n") else f"{text}\n"
    if not means_the_same(text, whole):
        raise CannotFormat("it ends in the middle of a text; put a line break at its end")
    from ruamel.yaml.error import YAMLError

    try:
        # What changes places is indented before, so that no comment falls into a text, and after, for what is above it.
        after = indented(ordered(indented(spaced(whole)), fields))
    except YAMLError as error:
        raise CannotFormat("it could not be read any more; please report this with the file") from error
    if not means_the_same(text, after):
        raise CannotFormat("it would not mean the same; please report this with the file")
    if Counter(Syntax(whole).comments) != Counter(Syntax(after).comments):
        raise CannotFormat("a comment would be lost; please report this with the file")
    return after


def means_the_same(one: str, other: str) -> bool:
    """Whether two texts are read as the same tree, whatever the order of keys."""
    roots = [read_document(text, Origin("<text>")) for text in (one, other)]
    if any(document.problems or document.root is None for document in roots):
        return False
    return _same(roots[0].root, roots[1].root)


def _same(one: Node | None, other: Node | None) -> bool:
    if isinstance(one, NodeMap) and isinstance(other, NodeMap):
        return (
            one.entries.keys() == other.entries.keys()
            and (one.replaces is None) == (other.replaces is None)
            and all(_same(entry.node, other.entries[key].node) for key, entry in one.entries.items())
        )
    if isinstance(one, NodeList) and isinstance(other, NodeList):
        return len(one.items) == len(other.items) and all(map(_same, one.items, other.items))
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        return same(one.value, other.value) and one.as_text == other.as_text
    return False
