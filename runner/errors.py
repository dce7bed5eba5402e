"""What can go wrong, as data (`Problem`, `Location`) and as exceptions.

The tree::

    RunnerError
    ├── ConfigError            a config has problems; carries all of them
    ├── PluginError            a plugin is at fault; names its distribution
    ├── RegistryError          a name is not, or not uniquely, offered (a KeyError too)
    ├── SignatureError         a constructor's source could not be read
    ├── BuildError             a component could not be built; names its place in the config
    ├── CheckpointError        a checkpoint cannot be written or used
    │   ├── DamagedCheckpoint  its bytes are not the ones that were written
    │   └── SaveError          it could not be written; those before it are untouched
    ├── LaunchError            a process group could not be joined or started
    ├── LossSpikeError         the loss leapt up
    ├── StorageError           a file could not be read or written where it lies
    └── WorkDirInUse           another run holds the work directory, or nothing can be written there

`Stopped` stands outside of it, as KeyboardInterrupt does: no failure, and nothing that `except Exception` should take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "BuildError",
    "CheckpointError",
    "ConfigError",
    "DamagedCheckpoint",
    "GoBack",
    "LaunchError",
    "Location",
    "LossSpikeError",
    "NonFiniteError",
    "Path",
    "PluginError",
    "Problem",
    "RegistryError",
    "RunnerError",
    "SaveError",
    "SignatureError",
    "Stopped",
    "StorageError",
    "WorkDirInUse",
    "dotted",
]

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a config: keys and list indices from the top."""

Severity: TypeAlias = Literal["error", "warning"]


def dotted(path: Path) -> str:
    """Write a path as users write it in an override: `param_scheduler.1.milestones`."""
    return ".".join(str(part) for part in path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a text that a person wrote.

    Attributes:
        file: The file's name as the user gave it; `<command line>` for overrides.
        line: From 1. On the command line, the n-th override.
        column: From 1, in characters.
        width: How many characters to underline.
        kind: Where the value came from.
        via: Where an interpolated value was written, when that is another place.
    """

    file: str
    line: int
    column: int
    width: int = 1
    kind: Literal["file", "override", "environment", "default", "code"] = "file"
    via: Location | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake: where, what was found, what is allowed, what to do next.

    Attributes:
        code: A stable slug (`unknown-key`), explained by `runner explain CODE`.
        severity: Errors refuse the config, warnings do not.
        path: Dotted path of the value, with list indices.
        message: One sentence or two, without the place.
        origin: Where to look; None only where no text stands behind the value.
        suggestion: The bare key or type name that was probably meant.
    """

    code: str
    path: str
    message: str
    severity: Severity = "error"
    origin: Location | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = f"{self.origin}: " if self.origin else ""
        return f"{place}{self.severity}[{self.code}] {self.path}: {self.message}"


class RunnerError(Exception):
    """Whatever this package raises on purpose."""


class ConfigError(RunnerError):
    """A config that cannot be used, with every problem that was found.

    Attributes:
        problems: All of them, sorted by place.
        sources: The texts that they stand in, by file, for excerpts.
    """

    def __init__(self, problems: Sequence[Problem], *, sources: Mapping[str, str] | None = None) -> None:
        self.problems = tuple(problems)
        self.sources = dict(sources or {})
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginError(RunnerError):
    """A plugin is at fault.

    Attributes:
        distribution: The installed distribution to mend or uninstall.
    """

    def __init__(self, message: str, *, distribution: str) -> None:
        self.distribution = distribution
        super().__init__(f"{distribution}: {message}")


class RegistryError(RunnerError, KeyError):
    """A name that nobody offers, or that two plugins offer.

    Attributes:
        suggestion: The name that was probably meant.
    """

    def __init__(self, message: str, *, suggestion: str | None = None) -> None:
        self.suggestion = suggestion
        super().__init__(message)

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which garbles a sentence.
        return str(self.args[0])


class SignatureError(RunnerError):
    """The source of a constructor could not be found or read."""


class BuildError(RunnerError):
    """A component could not be built.

    Attributes:
        path: Where it stands in the config.
    """

    def __init__(self, message: str, *, path: Path = ()) -> None:
        self.path = path
        super().__init__(f"{dotted(path)}: {message}" if path else message)


class CheckpointError(RunnerError):
    """A checkpoint cannot be written or used."""


class DamagedCheckpoint(CheckpointError):  # noqa: N818 - it is a state of a file before it is an error
    """A checkpoint whose bytes are not the ones that were written."""


class SaveError(CheckpointError):
    """A checkpoint could not be written: no room, no permission, no folder. Those before it are untouched."""


class LaunchError(RunnerError):
    """A process group could not be joined or started."""


class StorageError(RunnerError):
    """A file could not be read or written where it lies, or holds what must not be read."""


class WorkDirInUse(RunnerError):  # noqa: N818 - it is a state of a folder
    """Another run holds the work directory, or nothing can be written there."""


class LossSpikeError(RunnerError):
    """The loss of a batch lies far above what it was in the batches before."""


class NonFiniteError(RunnerError):
    """A gradient or a weight is not a number any more."""


class GoBack(RunnerError):  # noqa: N818 - it is a request, no error
    """Raised by a hook that wants the run to go on from a checkpoint; `Runner.train` catches it.

    Args:
        checkpoint: The file or folder to go on from.
    """

    def __init__(self, checkpoint: str) -> None:
        super().__init__(f"to go on from {checkpoint}")
        self.checkpoint = checkpoint


class Stopped(BaseException):
    """Raised where a run is left because a signal asked for it.

    Args:
        reason: What asked, as `SIGTERM on rank 0`.
        checkpoint: What was saved to go on from; None where there was nothing to save yet.
        iteration: Steps that were finished; None where training had not begun.
    """

    def __init__(self, reason: str, *, checkpoint: str | None = None, iteration: int | None = None) -> None:
        super().__init__(f"{reason} after iteration {iteration}" if iteration is not None else reason)
        self.reason = reason
        self.checkpoint = checkpoint
        self.iteration = iteration
