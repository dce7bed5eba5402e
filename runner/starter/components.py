"""A component in a starting config: its type, the arguments worth writing, and what each means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.errors import RegistryError, RunnerError
from runner.kinds import KINDS
from runner.plugin import Catalog
from runner.signature import Signature, describe
from runner.starter.placeholders import placeholder
from runner.starter.text import flow, line

__all__ = ["Component", "component"]


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component with the arguments that are written for it.

    Attributes:
        name: Its type in the config.
        signature: What its constructor takes.
        arguments: The values, in the order of writing.
        to_fill_in: Arguments whose values are placeholders.
    """

    name: str
    signature: Signature
    arguments: Mapping[str, Any] = field(default_factory=dict)
    to_fill_in: frozenset[str] = frozenset()

    @property
    def is_iterable(self) -> bool:
        """Whether it is a data set whose samples come in an order of its own."""
        return "torch.utils.data.dataset:IterableDataset" in self.signature.bases

    def takes(self, name: str) -> bool:
        """Whether its constructor has an argument of that name."""
        return self.signature.parameter(name) is not None

    def mapping(self) -> dict[str, Any]:
        """What a config holds for it."""
        return {"type": self.name, **self.arguments}

    def written(self, *, indent: int) -> str:
        """Its lines, each argument with the first sentence of its description."""
        text = line(f"type: {self.name}", _sentence(self.signature.summary), indent=indent)
        for name, value in self.arguments.items():
            parameter = self.signature.parameter(name)
            said = _sentence(parameter.doc) if parameter is not None else ""
            comment = f"fill in: {said or 'it has no default'}" if name in self.to_fill_in else said
            text += line(f"{name}: {flow(value)}", comment, indent=indent)
        return text


def component(catalog: Catalog, kind: str, name: str, **wanted: Any) -> Component:
    """Find a component, and values for its arguments: the ones that are wanted, and placeholders for the required ones.

    Args:
        catalog: What is on offer.
        kind: Its kind.
        name: Its type.
        wanted: Values for those of these arguments that its constructor has.

    Raises:
        RunnerError: Nobody offers it, or an argument needs a component and none of that kind is on offer.
    """
    try:
        entry = catalog.resolve(kind, name)
    except RegistryError as error:
        raise RunnerError(str(error)) from error
    signature = describe(entry.obj or entry.target, catalog=catalog)
    injected = KINDS[entry.kind].injected
    arguments: dict[str, Any] = {}
    to_fill_in = []
    for parameter in signature.parameters:
        if parameter.name in wanted:
            arguments[parameter.name] = wanted[parameter.name]
        elif parameter.required and parameter.name not in injected:
            arguments[parameter.name] = _filled(parameter.name, parameter.schema, catalog, name)
            to_fill_in.append(parameter.name)
    return Component(name=name, signature=signature, arguments=arguments, to_fill_in=frozenset(to_fill_in))


def _filled(name: str, schema: Mapping[str, Any], catalog: Catalog, owner: str) -> Any:
    def offered(kind: str) -> Any:
        for entry in catalog.entries(kind):
            try:
                return component(catalog, kind, entry.name).mapping()
            except RecursionError:  # it needs one of its own kind, and so on
                continue
        raise LookupError(kind)

    try:
        return placeholder(name, schema, offered)
    except LookupError as error:
        raise RunnerError(f"'{owner}' needs a {error.args[0]} as its '{name}', and none is installed") from error


def _sentence(text: str) -> str:
    """The first sentence, on one line, without its full stop."""
    return re.split(r"(?<=[.;])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".;")
