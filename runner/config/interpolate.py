"""Puts values in for `${…}`.

`${vars.data_root}` reads any key of the composed config, `${env:NAME}` and `${env:NAME,default}` the environment, and
`$${` is a literal `${`. Standing alone, a reference gives the value with its type, and a text of the environment what
YAML reads in it (`4` a number); within a text, or after `!!str`, both give text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from runner.config.builder import MAX_DEPTH, MAX_VALUES, Fatal
from runner.config.document import MAX_BYTES
from runner.config.nodes import Entry, Node, NodeList, NodeMap, Scalar, child_of, closest
from runner.config.paths import split_path
from runner.config.scalars import NumberError, read_plain, write_scalar
from runner.errors import Location, Path, Problem, dotted

__all__ = ["Resolver", "escape", "inlined"]

_LONGEST_CHAIN = 100
_MOST_REFERENCES = 20_000
_MOST_SUGGESTIONS = 20  # looking for similar names takes a millisecond each
_ENVIRONMENT = r"(?s)env:\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<default>,.*)?"


def escape(text: str) -> str:
    """Write a text so that nothing in it is taken for an interpolation."""
    return text.replace("${", "$${")


class _Piece(NamedTuple):
    """What one part of a text gives.

    Attributes:
        node: Its value, resolved.
        text: What it is within a text.
        pinned: `text` with no reference left but those to the environment.
        secret: Something of it comes from the environment.
        literal: It is no reference.
    """

    node: Node
    text: str
    pinned: str
    secret: bool = False
    literal: bool = False


class _Bad(Exception):  # noqa: N818 - it carries a problem to where its path is known
    def __init__(self, code: str, message: str, suggestion: str | None = None) -> None:
        self.code = code
        self.suggestion = suggestion
        super().__init__(message)


class Resolver:
    """Resolves one tree.

    Attributes:
        problems: What could not be resolved.
        used: The environment's variables that were asked for, None for those that are not set.
    """

    def __init__(self, root: Node, environ: Mapping[str, str]) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.used: dict[str, str | None] = {}
        self._environ = environ
        self._done: dict[int, Node] = {}
        self._active: dict[int, Path] = {}
        self._values_left = MAX_VALUES
        self._text_left = MAX_BYTES
        self._references_left = _MOST_REFERENCES

    def resolve(self) -> Node:
        """Give the tree with all its interpolations resolved; parts without any are shared with it."""
        try:
            return self._resolve(self.root, ())
        except Fatal as fatal:
            self.problems.append(fatal.problem)
            return NodeMap({}, self.root.mark, unknown=True, source=self.root)

    def _resolve(self, node: Node, path: Path) -> Node:
        if isinstance(node, Scalar) and not (isinstance(node.value, str) and "${" in node.value):
            return node
        done = self._done.get(id(node))
        if done is not None:
            return done
        if id(node) in self._active:
            raise self._cycle(node, path)
        if len(self._active) >= _LONGEST_CHAIN:
            raise _Bad("too-deep", f"references and containers lead more than {_LONGEST_CHAIN} deep from here")
        self._active[id(node)] = path
        try:
            if isinstance(node, NodeMap):
                done = self._resolve_map(node, path)
            elif isinstance(node, NodeList):
                done = self._resolve_list(node, path)
            else:
                done = self._resolve_scalar(node, path)
        finally:
            del self._active[id(node)]
        if not isinstance(done, Scalar) and done.height > MAX_DEPTH:
            raise self._fatal("too-deep", f"with its references, the config is more than {MAX_DEPTH} deep", node, path)
        self._done[id(node)] = done
        return done

    def _cycle(self, node: Node, path: Path) -> _Bad:
        chain = list(self._active.values())
        start = list(self._active).index(id(node))
        names = " -> ".join(dotted(step) for step in [*chain[start:], path] if step)
        return _Bad("cyclic-interpolation", f"the value needs itself: {names[:300]}")

    def _resolve_map(self, node: NodeMap, path: Path) -> NodeMap:
        changed = False
        entries: dict[str, Entry] = {}
        for key, entry in node.entries.items():
            child = self._resolve(entry.node, (*path, key))
            changed = changed or child is not entry.node
            entries[key] = Entry(entry.key, child)
        return NodeMap(entries, node.mark, unknown=node.unknown, source=node) if changed else node

    def _resolve_list(self, node: NodeList, path: Path) -> NodeList:
        items = [self._resolve(item, (*path, index)) for index, item in enumerate(node.items)]
        changed = any(new is not old for new, old in zip(items, node.items, strict=True))
        return NodeList(items, node.mark, unknown=node.unknown, source=node) if changed else node

    def _resolve_scalar(self, node: Scalar, path: Path) -> Node:
        try:
            pieces = self._pieces(node.value, node.mark)
            if len(pieces) == 1 and not pieces[0].literal and not (node.as_text and isinstance(pieces[0].node, Scalar)):
                return self._placed(pieces[0].node, node, path)
            return self._joined(pieces, node, path)
        except _Bad as bad:
            problem = Problem(
                code=bad.code, path=dotted(path), message=str(bad), origin=node.mark, suggestion=bad.suggestion
            )
            self.problems.append(problem)
            return Scalar(None, node.mark, unknown=True, source=node)

    def _joined(self, pieces: list[_Piece], node: Scalar, path: Path) -> Scalar:
        """The text that pieces make together."""
        _refuse_containers(pieces)
        if any(isinstance(piece.node, Scalar) and piece.node.unknown for piece in pieces):
            return Scalar(None, node.mark, unknown=True, source=node)
        text = "".join(piece.text for piece in pieces)
        self._text_left -= len(text)
        if self._text_left < 0:
            raise self._fatal("too-large", f"references make more than {MAX_BYTES:,} characters of text", node, path)
        secret = any(piece.secret for piece in pieces)
        via = next((piece.node.mark for piece in pieces if not piece.literal), None)
        mark = _used_at(node.mark, via, secret=secret)
        pinned = "".join(piece.pinned for piece in pieces) if secret else None
        return Scalar(text, mark, source=node, pinned=pinned)

    def _placed(self, target: Node, node: Scalar, path: Path) -> Node:
        """A copy of what a reference that stands alone names, at the reference's place."""
        copy = self._copy(target, node, path)
        copy.source = node
        return copy

    def _copy(self, target: Node, node: Scalar, path: Path) -> Node:
        self._values_left -= 1
        if self._values_left < 0:
            raise self._fatal("too-large", f"references make more than {MAX_VALUES:,} values", node, path)
        mark = _used_at(node.mark, target.mark, secret=target.mark.kind == "environment")
        if isinstance(target, Scalar):
            return Scalar(
                target.value,
                mark,
                unknown=target.unknown,
                pinned=target.pinned,
                text=target.text,
                source=inlined(target) if target.source else None,
            )
        if isinstance(target, NodeList):
            items = [self._copy(item, node, path) for item in target.items]
            return NodeList(items, mark, unknown=target.unknown)
        entries = {
            key: Entry(_used_at(node.mark, entry.key, secret=False), self._copy(entry.node, node, path))
            for key, entry in target.entries.items()
        }
        return NodeMap(entries, mark, unknown=target.unknown)

    def _pieces(self, text: str, mark: Location, depth: int = 0) -> list[_Piece]:
        """Take a text apart into literals and references."""
        pieces: list[_Piece] = []
        offset = 0
        while offset < len(text):
            start = text.find("${", offset)
            if start < 0:
                start = len(text)
            if start > offset:
                escaped = start < len(text) and text[start - 1] == "$"
                literal = text[offset : start - 1] + "${" if escaped else text[offset:start]
                pieces.append(_Piece(Scalar(literal, mark), literal, escape(literal), literal=True))
                offset = start + 2 if escaped else start
                continue
            end = _closing(text, start)
            pieces.append(self._reference(text[start + 2 : end], mark, depth))
            offset = end + 1
        return pieces

    def _reference(self, inner: str, mark: Location, depth: int) -> _Piece:
        self._references_left -= 1
        if self._references_left < 0:
            message = f"a config may hold {_MOST_REFERENCES:,} references, and here is one more"
            raise Fatal(Problem(code="too-large", path="", message=message, origin=mark))
        if inner.strip().startswith("env:"):
            return self._environment(inner.strip(), mark, depth)
        target = self._lookup(inner.strip())
        if not isinstance(target, Scalar):
            kind = "mapping" if isinstance(target, NodeMap) else "list"
            # Only good where it stands alone, which is for the caller to see.
            return _Piece(target, f"a {kind}", "")
        text = target.text if target.text is not None else _as_text(target.value)
        secret = target.mark.kind == "environment"
        pinned = target.pinned if secret and target.pinned is not None else escape(text)
        return _Piece(target, text, pinned, secret=secret)

    def _environment(self, inner: str, mark: Location, depth: int) -> _Piece:
        match = re.fullmatch(_ENVIRONMENT, inner)
        if match is None:
            raise _Bad("bad-interpolation", f"'${{{inner}}}' is not of the form ${{env:NAME}} or ${{env:NAME,default}}")
        if depth > 8:
            raise _Bad("bad-interpolation", "defaults stand in one another more than 8 deep")
        name, default = match["name"], match["default"]
        pinned, text = f"${{env:{name}}}", self._environ.get(name)
        if default is not None:
            pieces = self._pieces(default[1:].strip(), mark, depth + 1)
            _refuse_containers(pieces)
            pinned = f"${{env:{name},{''.join(piece.pinned for piece in pieces)}}}"
            if _closing(pinned, 0) != len(pinned) - 1:
                raise _Bad("bad-interpolation", f"the default of '{name}' has a brace too many or too few")
            if text is None:
                text = "".join(piece.text for piece in pieces)
        self.used[name] = self._environ.get(name)
        if text is None:
            message = f"the environment has no variable '{name}'; set it, or give a default: ${{env:{name},default}}"
            raise _Bad("missing-environment", message)
        place = replace(mark, kind="environment")
        return _Piece(Scalar(_typed(text), place, text=text, pinned=pinned), text, pinned, secret=True)

    def _lookup(self, inner: str) -> Node:
        """The value that a path names, resolved."""
        if ":" in inner and '"' not in inner and "'" not in inner:
            raise _Bad("bad-interpolation", f"'${{{inner}}}': only 'env:' may stand before a colon here")
        try:
            parts, end = split_path(inner)
        except ValueError as error:
            raise _Bad("bad-interpolation", f"'${{{inner}}}' names no key: {error}") from error
        if end != len(inner):
            raise _Bad("bad-interpolation", f"'${{{inner}}}' names no key: it holds an '='")
        node = self.root
        path: Path = ()
        for part in parts:
            if isinstance(node, Scalar):
                node = self._resolve(node, path)
            if isinstance(node, Scalar) and node.unknown:
                return node
            child = child_of(node, part.name)
            if child is None:
                raise self._missing(inner, node, path, part.name)
            node, path = child, (*path, part.name)
        return self._resolve(node, path)

    def _missing(self, inner: str, node: Node, path: Path, name: str) -> _Bad:
        where = f"'{dotted(path)}'" if path else "the config"
        if isinstance(node, Scalar):
            return _Bad("missing-variable", f"'${{{inner}}}': {where} is a single value and has no key '{name}'")
        if isinstance(node, NodeList):
            hint = f"it has {len(node.items)} items, counted from 0"
            return _Bad("missing-variable", f"'${{{inner}}}': the list {where} has no item '{name}'; {hint}")
        known = closest(name, list(node.entries)) if len(self.problems) < _MOST_SUGGESTIONS else None
        if known:
            hint = f"did you mean '{known}'?"
        elif not path and name in self._environ:
            hint = f"the environment is read by '${{env:{name}}}'"
        elif len(node.entries) <= 12:
            hint = "it has " + (", ".join(node.entries) or "no keys")
        else:
            hint = "define it under 'vars'"
        return _Bad("missing-variable", f"'${{{inner}}}': {where} has no key '{name}'; {hint}", known)

    def _fatal(self, code: str, message: str, node: Node, path: Path) -> Fatal:
        return Fatal(Problem(code=code, path=dotted(path[:8]), message=message, origin=node.mark))


def inlined(node: Node) -> Node:
    """What to write for a resolved value so that it depends on nothing but the environment."""
    if isinstance(node, NodeMap):
        return NodeMap({key: Entry(entry.key, inlined(entry.node)) for key, entry in node.entries.items()}, node.mark)
    if isinstance(node, NodeList):
        return NodeList([inlined(item) for item in node.items], node.mark)
    if node.pinned is not None:
        as_text = isinstance(node.value, str) and not isinstance(_typed(node.value), str)
        return Scalar(node.pinned, node.mark, as_text=as_text)
    return Scalar(escape(node.value) if isinstance(node.value, str) else node.value, node.mark)


def _used_at(mark: Location, via: Location | None, *, secret: bool) -> Location:
    if via is not None and (via.file, via.line, via.column) == (mark.file, mark.line, mark.column):
        via = via.via
    return replace(mark, via=via, kind="environment" if secret else mark.kind)


def _closing(text: str, start: int) -> int:
    """Where the brace is that closes the `${` at `start`."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    raise _Bad(
        "bad-interpolation", f"'{text[start : start + 60]}' has no closing brace; a literal '${{' is written '$${{'"
    )


def _refuse_containers(pieces: list[_Piece]) -> None:
    for piece in pieces:
        if not isinstance(piece.node, Scalar):
            raise _Bad("bad-interpolation", f"{piece.text} cannot be a part of a text; let its reference stand alone")


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return write_scalar(value)
    except TypeError as error:
        raise _Bad("bad-interpolation", f"{error}, so it cannot be a part of a text") from error


def _typed(text: str) -> object:
    try:
        return read_plain(text) if text else ""
    except NumberError:
        return text
