"""What is known about a component's constructor: `Signature`, its `Parameter`s, and two marks for defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from runner.plugin import Entry

__all__ = ["REQUIRED", "UNKNOWN", "LocalFile", "Parameter", "Signature"]


class Mark(Enum):
    """What stands in `Parameter.default` where there is no value to show."""

    REQUIRED = "required"
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return self.name


REQUIRED: Final = Mark.REQUIRED
"""The argument has no default."""

UNKNOWN: Final = Mark.UNKNOWN
"""There is a default, and it is no literal (`torch.float32`, a call); `Parameter.default_text` shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument that a config may give.

    Attributes:
        name: Its keyword.
        annotation: The annotation as it is written; empty where there is none.
        schema: A JSON Schema fragment (draft 2020-12). `{}` accepts anything: no more can be known. `{"x-slot": KIND}`
            marks where a component stands. `{"x-type-name": KIND}` marks the name of one, whose arguments
            the others are that the constructor takes. `x-python` names the type that plain data has to be turned into
            (`pathlib:Path`, `torch:dtype`, `set`, an Enum's or a dataclass's `module:Class`).
        default: The code's own default, `REQUIRED` or `UNKNOWN`. Records are shared: do not change a list in here.
        default_text: The default as it is written.
        doc: The docstring's description.
        slot: The kind of component that it takes, or that its items take.
    """

    name: str
    annotation: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    default: object = REQUIRED
    default_text: str = ""
    doc: str = ""
    slot: str | None = None

    @property
    def required(self) -> bool:
        """Whether a call without it fails."""
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A constructor (or a function), read from its source.

    Attributes:
        target: What was asked for, `package.module:Attribute`.
        parameters: In the order of the code; inherited ones that come through `**kwargs` last.
        open: Whether it takes keywords beyond these, or may do so; `notes` say why.
        summary: The docstring's first sentence.
        doc: The whole docstring, indentation removed.
        bases: `module:Class` of the class itself and of all its bases, in the order of the MRO.
        file: Where it is defined.
        line: Its line there, from 1.
        notes: What could not be known, one sentence each.
    """

    target: str
    parameters: tuple[Parameter, ...] = ()
    open: bool = False
    summary: str = ""
    doc: str = ""
    bases: tuple[str, ...] = ()
    file: str = ""
    line: int = 1
    notes: tuple[str, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, if there is one."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """What a file under `custom_imports` registers, read as text.

    Attributes:
        file: The file.
        module: The name that it is imported under.
        folder: What has to be on `sys.path`, and what `describe` needs in `paths`.
        entries: The components that it and its neighbours register, in the order of the text.
        files: Every file that was read.
        notes: Registrations that could not be read, one sentence each with its place.
        definitions: The classes and functions at the top of these files, registered or not, with the file of each.
    """

    file: Path
    module: str
    folder: Path
    entries: tuple[Entry, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    definitions: Mapping[str, Path] = field(default_factory=dict)
