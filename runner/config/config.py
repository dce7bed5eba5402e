"""`Config`: a composed config that Python code reads and changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TextIO

from runner.config.compose import Composition, compose, compose_tree
from runner.config.config_dict import ConfigDict, caller, convert, missing_attribute, plain, shown, view
from runner.config.edits import Rewriter
from runner.config.emit import emit
from runner.config.lookup import locate
from runner.config.nodes import Node, NodeList, Scalar, find, from_plain, iterate
from runner.config.overrides import BadOverride, put
from runner.config.paths import split_path
from runner.errors import ConfigError, Location, Problem, dotted

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Config"]

_PLAIN = (str, int, float, bool, type(None))


class Config(MutableMapping[str, Any]):
    """A config: a mapping whose keys are attributes too, and in which each value knows where it comes from.

    `cfg.optim_wrapper.optimizer.lr` and `cfg["optim_wrapper"]["optimizer"]["lr"]` are the same, to read and to set.
    Mappings inside it are dicts. What Python code sets is taken literally, and has that code's line as its origin.

    Args:
        cfg_dict: What it holds; `${…}` in it is resolved as in a file.
        filename: The file that it comes from, if any.

    Raises:
        ConfigError: A `${…}` cannot be resolved.
    """

    __slots__ = ("_composition", "_data")

    _composition: Composition
    _data: ConfigDict

    def __init__(self, cfg_dict: Mapping[str, Any] | None = None, *, filename: str | Path | None = None) -> None:
        if isinstance(cfg_dict, Config):
            cfg_dict = cfg_dict._data  # noqa: SLF001 - it is our own class
        mark = caller()
        tree, _ = Rewriter(options=True).write(convert(cfg_dict or {}), None, mark)
        name = os.fspath(filename) if filename is not None else ""
        self._take(compose_tree(tree, filename=name, problems=(), sources={}, environ=os.environ, whole=True))

    @classmethod
    def fromfile(
        cls,
        filename: str | Path,
        overrides: Sequence[str] = (),
        unset: Sequence[str] = (),
        find_package: Callable[[str], Path | None] | None = None,
    ) -> Config:
        """Read a YAML or JSON file with all that it builds on.

        Args:
            filename: The file.
            overrides: Changes such as `optim_wrapper.optimizer.lr=0.01`, with YAML values.
            unset: Keys to take out.
            find_package: Gives the folder of configs that an installed package ships, for `_base_: package::path`; by
                default the installed plugins are asked.

        Raises:
            ConfigError: With everything that is wrong with the text. Whether the keys and values are allowed is for
                `runner.validation.check`, or `Runner.from_cfg`, to say.
        """
        find = find_package or _find_in_plugins
        return cls.from_composition(compose(filename, overrides=overrides, unset=unset, find_package=find))

    @classmethod
    def fromstring(cls, cfg_str: str, file_format: str = ".yaml") -> Config:
        """Read a text, as `fromfile` does a file; `_base_` is relative to the current folder."""
        return cls.from_composition(compose("<string>", text=cfg_str, file_format=file_format))

    @classmethod
    def from_composition(cls, composition: Composition) -> Config:
        """Take what `compose` gave.

        Raises:
            ConfigError: It has errors.
        """
        if any(problem.severity == "error" for problem in composition.problems):
            raise ConfigError(composition.problems, sources=composition.sources)
        new = cls.__new__(cls)
        new.__setstate__((composition, view(composition.resolved)))
        return new

    def _take(self, composition: Composition) -> None:
        self.__setstate__(self.from_composition(composition).__getstate__())

    @property
    def filename(self) -> str | None:
        """The file that the config was read from."""
        return self._composition.filename or None

    @property
    def text(self) -> str:
        """That file's text; "" where there is none."""
        return self._composition.sources.get(self._composition.filename, "")

    @property
    def pretty_text(self) -> str:
        """The whole config as YAML, as `dump` writes it."""
        return self.dump()

    @property
    def composition(self) -> Composition:
        """The config with its places, as it stands now: what `runner.validation.check` takes."""
        old = self._composition
        rewriter = Rewriter()
        mark = Location(file=old.filename or "<code>", line=1, column=1, kind="code")
        tree, changed = rewriter.write(self._data, old.resolved, mark)
        if not changed:
            return old
        environ = {name: value for name, value in old.environment.items() if value is not None}
        tree = rewriter.settle(tree, plain(self._data), environ)
        return compose_tree(
            tree,
            filename=old.filename,
            problems=[problem for problem in old.problems if problem.severity != "error"],
            sources=old.sources,
            environ=environ,
            whole=True,
        )

    def dump(self, file: str | Path | TextIO | None = None) -> str:
        """Write the config as YAML that loads back equal.

        References are written as references, so that nothing that the environment brought in is written.

        Args:
            file: Where to write it too: a path, which must not end in `.json`, or an open text file.

        Returns:
            The text.

        Raises:
            ConfigError: A value that Python code put in is no plain data.
            ValueError: The file is named as JSON.
        """
        text = emit(_writable(self.composition.tree))
        if isinstance(file, str | os.PathLike):
            if os.fspath(file).endswith(".json"):
                raise ValueError(f"a config is written as YAML; give {os.fspath(file)!r} a name that ends in .yaml")
            with open(file, "w", encoding="utf-8") as out:  # noqa: PTH123 - pathlib is not imported for a name
                out.write(text)
        elif file is not None:
            file.write(text)
        return text

    def shown(self, path: str | None = None) -> Any:
        """Plain data for people to read, with `${env:NAME} (set)` in place of what the environment brought in.

        `(default)` stands there where the variable is not set.

        Args:
            path: The part to show; by default all of it.

        Raises:
            ConfigError: There is no such part.
        """
        composition = self.composition
        place = locate(composition, path) if path else ()
        value: Any = self._data
        for part in place:
            value = value[part]
        return shown(value, find(composition.resolved, place), composition.environment)

    def dump_part(self, path: str | None = None) -> str:
        """As `shown`, written as YAML.

        Raises:
            ConfigError: There is no such part, or it holds what is no data.
        """
        mark = self.origin(path) if path else None
        return emit(_writable(from_plain(self.shown(path), mark or Location(file="<code>", line=1, column=1))))

    @staticmethod
    def diff(cfg1: str | Path | Config, cfg2: str | Path | Config) -> str:
        """What differs between two configs as they are composed, as `diff -u` shows it; "" where nothing does.

        Args:
            cfg1: A config, or its file.
            cfg2: The other. `runner diff` compares by path and says where each value was written.
        """
        import difflib

        texts = [(each if isinstance(each, Config) else Config.fromfile(each)).pretty_text for each in (cfg1, cfg2)]
        lines = difflib.unified_diff(texts[0].splitlines(), texts[1].splitlines(), lineterm="")
        return "".join(f"{line}\n" for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, with nothing shared; what the environment brought in stands there in clear."""
        data: dict[str, Any] = plain(self._data)
        return data

    def merge_from_dict(self, options: Mapping[str, Any], allow_list_keys: bool = True) -> None:
        """Lay options over the config, as one more file on top would.

        `${…}` works in them, `_delete_: True` in a mapping replaces the one that is there, and what refers to a
        changed value follows it.

        Args:
            options: Values by dotted path: `{"optim_wrapper.optimizer.lr": 0.1, "param_scheduler.0.end": 5}`.
            allow_list_keys: Whether a path may lead into a list.

        Raises:
            ConfigError: A path leads nowhere, or a `${…}` cannot be resolved.
        """
        mark = caller()
        old = self.composition
        tree = old.tree
        for key, value in options.items():
            try:
                path = tuple(part.name for part in split_path(key)[0])
            except ValueError as error:
                raise _refused(key, str(error), mark) from error
            if not allow_list_keys and any(isinstance(find(tree, path[:end]), NodeList) for end in range(len(path))):
                raise _refused(key, "the path leads into a list, and allow_list_keys is False", mark)
            node, _ = Rewriter(options=True).write(convert(value), None, mark)
            try:
                tree = put(tree, path, [mark] * len(path), node)
            except BadOverride as bad:
                raise _refused(key, str(bad), mark) from bad
        environ = {name: value for name, value in os.environ.items() if name not in old.environment}
        environ.update({name: value for name, value in old.environment.items() if value is not None})
        composition = compose_tree(
            tree, filename=old.filename, problems=old.problems, sources=old.sources, environ=environ, whole=True
        )
        self._take(composition)

    def origin(self, path: str) -> Location | None:
        """Where a value comes from, by its dotted path; None where there is no such value."""
        composition = self.composition
        try:
            return composition.marks.value_at(locate(composition, path))
        except ConfigError:
            return None

    def __getattr__(self, name: str) -> Any:
        if name in Config.__slots__:  # not set yet: an unpickler looks around
            raise AttributeError(name)
        try:
            return self._data[name]
        except KeyError:
            raise missing_attribute("Config", name, self._data) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"'{name}' is worked out and cannot be set")  # noqa: TRY004 - as Python does
        self._data[name] = value

    def __delattr__(self, name: str) -> None:
        delattr(self._data, name)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._data[key] = value

    def __delitem__(self, key: str) -> None:
        del self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._data})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Config):
            return bool(plain(self._data) == plain(other._data))
        return bool(plain(self._data) == plain(other)) if isinstance(other, dict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        return f"Config (path: {self.filename}): {shown(self._data)!r}"

    def __copy__(self) -> Config:
        new = type(self).__new__(type(self))
        new.__setstate__((self._composition, self._data.copy()))
        return new

    def copy(self) -> Config:
        """A copy that shares its values."""
        return self.__copy__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Config:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__setstate__((self._composition, deepcopy(self._data, memo)))
        return new

    def __getstate__(self) -> tuple[Composition, ConfigDict]:
        return self._composition, self._data

    def __setstate__(self, state: tuple[Composition, ConfigDict]) -> None:
        object.__setattr__(self, "_composition", state[0])
        object.__setattr__(self, "_data", state[1])


def _find_in_plugins(package: str) -> Path | None:
    from runner.plugin import default_plugins

    return default_plugins().bases(package)


def _refused(key: str, message: str, mark: Location) -> ConfigError:
    return ConfigError([Problem(code="bad-override", path=key, message=message, origin=mark)])


def _writable(tree: Node) -> Node:
    """Refuse a tree that holds what is no data."""
    problems = [
        Problem(
            code="not-plain-data",
            path=dotted(path),
            message=f"a {type(node.value).__name__} cannot be written to a file; set a text, a number, a truth value, "
            "a list or a mapping",
            origin=node.mark,
        )
        for path, node in iterate(tree)
        if isinstance(node, Scalar) and not isinstance(node.value, _PLAIN)
    ]
    if problems:
        raise ConfigError(problems)
    return tree
