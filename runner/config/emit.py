"""Writes a tree as YAML that loads back equal."""

from __future__ import annotations

from runner.config.nodes import Node, NodeList, NodeMap, Scalar
from runner.config.scalars import write_key, write_scalar

__all__ = ["emit"]

_WIDTH = 100
_LONGEST_KEY = 1000  # a key that begins its line may have 1024 characters


def emit(root: Node) -> str:
    """Write a config, or a part of one: block style, but short lists of single values in brackets.

    Raises:
        TypeError: A value is no plain data.
    """
    lines: list[str] = []
    if isinstance(root, NodeMap) and root.entries:
        _map(root, "", lines)
    elif isinstance(root, NodeList) and not _on_one_line(root, ""):
        _list(root, "", lines)
    else:
        lines.append(_on_one_line(root, ""))
    return "\n".join(lines) + "\n"


def _map(node: NodeMap, indent: str, lines: list[str], first: str | None = None) -> None:
    """Write a mapping's lines; `first` stands before the first one, as a list's dash does."""
    for key, entry in node.entries.items():
        lead = indent if first is None else first
        first = None
        written = write_key(key)
        if len(written) > _LONGEST_KEY:
            lines.append(f"{lead}? {written}")
            lead = indent
            written = ""
        _value(entry.node, f"{lead}{written}:", indent, lines)


def _value(node: Node, lead: str, indent: str, lines: list[str]) -> None:
    if isinstance(node, NodeMap) and node.entries:
        lines.append(lead)
        _map(node, indent + "  ", lines)
    elif isinstance(node, NodeList) and not _on_one_line(node, lead):
        lines.append(lead)
        _list(node, indent + "  ", lines)
    else:
        lines.append(f"{lead} {_on_one_line(node, lead)}")


def _list(node: NodeList, indent: str, lines: list[str], first: str | None = None) -> None:
    for item in node.items:
        lead = (indent if first is None else first) + "- "
        first = None
        if isinstance(item, NodeMap) and item.entries:
            _map(item, indent + "  ", lines, first=lead)
        elif isinstance(item, NodeList) and not _on_one_line(item, lead):
            _list(item, indent + "  ", lines, first=lead)
        else:
            lines.append(lead + _on_one_line(item, lead))


def _on_one_line(node: Node, lead: str) -> str:
    """A value as it stands in a line; of a list that should have lines of its own, nothing."""
    if isinstance(node, Scalar):
        return _scalar(node)
    if isinstance(node, NodeMap):
        return "" if node.entries else "{}"
    if not all(isinstance(item, Scalar) for item in node.items):
        return ""
    line = "[" + ", ".join(_scalar(item, flow=True) for item in node.items if isinstance(item, Scalar)) + "]"
    return line if len(lead) + len(line) <= _WIDTH else ""


def _scalar(node: Scalar, *, flow: bool = False) -> str:
    text = write_scalar(node.value, flow=flow)
    return f"!!str {text}" if node.as_text and isinstance(node.value, str) and "${" in node.value else text
