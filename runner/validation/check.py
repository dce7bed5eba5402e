"""A composed config in, all its problems out: fields, components, rules, and what plugins add."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from runner.config import Composition, Config
from runner.errors import ConfigError, Location, Path, Problem, Severity, dotted
from runner.plugin import Catalog, default_plugins
from runner.plugin.catalog import SCOPE_ALIASES
from runner.validation import fields
from runner.validation.components import Components
from runner.validation.keywords import make_validator
from runner.validation.local_code import read_local_code
from runner.validation.misplaced import Homes
from runner.validation.mistake import Mistake, did_you_mean, listed, unknown_key
from runner.validation.rules import RULES, Context, origin_of
from runner.validation.suggest import nearest

__all__ = ["check", "require_valid"]

_MISSING = frozenset(
    {"missing-key", "not-built-together", "scheduler-without-optimizer", "missing-base-batch-size", "unknown-type"}
)
"""What a file that could not be read may hold the remedy for: a key, or the local code that brings a type."""

PluginCheck: TypeAlias = Callable[[Config], Iterable[Problem]]


def check(
    composition: Composition | Config,
    catalog: Catalog | None = None,
    *,
    missing_types: Severity = "error",
    plugin_check: PluginCheck | None = None,
    check_paths: bool = False,
    device: str | None = None,
) -> list[Problem]:
    """Find every mistake in a config, without importing what it names.

    Args:
        composition: What `runner.config.compose` gives, or a `Config`. Its own problems are among the result.
        catalog: The components on offer; by default what is installed.
        missing_types: How severe a type is that nobody offers; `warning` checks a config away from its plugins.
        plugin_check: What plugins find wrong themselves (`runner_check`); by default the installed plugins, where
            the catalog is theirs. Asked only of a config that is otherwise in order.
        check_paths: Whether the files and folders that the config reads are looked for.
        device: What the run was asked to use (`cpu`, `cuda:1`); None or `auto` where that is left open.

    Returns:
        The problems, sorted by file, line and column.
    """
    composed = composition if isinstance(composition, Composition) else composition.composition
    if catalog is None or plugin_check is None:
        plugins = default_plugins()
        catalog = plugins.catalog if catalog is None else catalog
        plugin_check = plugins.check if plugin_check is None and catalog is plugins.catalog else plugin_check
    found = list(composed.problems)
    if composed.data or not found:
        asked = None if device in {None, "auto"} else str(device).partition(":")[0]
        found += _own_problems(composed, catalog, missing_types, check_paths=check_paths, device=asked)
        if plugin_check is not None and not any(problem.severity == "error" for problem in found):
            config = composition if isinstance(composition, Config) else Config.from_composition(composed)
            found += _placed(plugin_check(config), composed)
    return _sorted([*found, *catalog.problems])


def require_valid(config: Composition | Config, catalog: Catalog | None = None) -> list[Problem]:
    """Refuse a config that has problems.

    Args:
        config: The config.
        catalog: The components on offer; by default what is installed.

    Returns:
        The warnings, which do not refuse it.

    Raises:
        ConfigError: Carries all problems, warnings too.
    """
    problems = check(config, catalog)
    if any(problem.severity == "error" for problem in problems):
        composed: Any = getattr(config, "composition", config)
        raise ConfigError(problems, sources=composed.sources)
    return problems


def _own_problems(
    composed: Composition, catalog: Catalog, missing_types: Severity, **circumstances: Any
) -> list[Problem]:
    data: Mapping[str, Any] = composed.data
    local = read_local_code(data.get("custom_imports"), composed, catalog)
    scope = data.get("default_scope")
    components = Components(
        local.catalog,
        scope=scope if isinstance(scope, str) else None,
        missing_types=missing_types,
        folders=local.folders,
        definitions=local.definitions,
    )
    unresolved = frozenset(str(path[0]) for path in composed.unresolved if len(path) == 1)
    mistakes, meant = _mistakes(data, components)
    context = Context(
        data=data,
        raw=composed.raw,
        marks=composed.marks,
        unresolved=unresolved,
        meant=meant,
        catalog=local.catalog,
        scope=components.scope,
        folders=local.folders,
        faulty=frozenset(path for _, path in mistakes) | composed.unresolved,
        whole=composed.whole,
        **circumstances,
    )
    found = list(local.problems)
    spoilt = {problem.path for problem in composed.problems}
    # A key that is no text is not unknown as well.
    found += [
        _problem(mistake, path, composed)
        for mistake, path in mistakes
        if mistake.code != "unknown-key" or dotted(path) not in spoilt
    ]
    found += _unknown_scope(context, local.catalog, missing_types)
    for rule in RULES:
        found += rule(context)
    unread = (
        context.misspelt("custom_imports")
        or context.doubtful(("custom_imports",))
        or any(problem.severity == "error" for problem in local.problems)
    )
    return [
        problem
        for problem in found
        if not _unknowable(problem, composed)
        # Which types there are is not known where the config's own files are not.
        and not (unread and problem.code == "unknown-type" and problem.suggestion is None)
    ]


def _unknown_scope(context: Context, catalog: Catalog, severity: Severity) -> Iterator[Problem]:
    scope = context.data.get("default_scope")
    plugins = sorted({entry.plugin for entry in catalog} | set(SCOPE_ALIASES))
    if isinstance(scope, str) and scope and scope not in plugins:
        suggestion = nearest(scope, plugins)
        message = (
            f"no installed plugin is called '{scope}'{did_you_mean(suggestion) or '; there are ' + listed(plugins)}"
        )
        place = ("default_scope",)
        yield context.problem("unknown-plugin", place, message, at="value", severity=severity, suggestion=suggestion)


def _mistakes(data: Mapping[str, Any], components: Components) -> tuple[list[tuple[Mistake, Path]], frozenset[str]]:
    """Hold each top-level field against its own file; the root itself is never walked.

    Returns:
        The mistakes with their paths, and the fields that are there under a wrong name or in a wrong place.
    """
    validator = make_validator(components)({})
    root = fields.root()
    found: list[tuple[Mistake, Path]] = []
    for key in data:
        if key not in root["properties"]:
            found.append((unknown_key(key, root, data), (key,)))
            continue
        errors = [Mistake.of(error) for error in validator.descend(data[key], fields.load(key), path=key)]
        found += [(error, tuple(error.path)) for error in errors]
    suggested: set[Any] = {mistake.suggestion for mistake, path in found if len(path) == 1}
    for name in root["required"]:
        if name not in data and name not in suggested:
            found.append((Mistake("missing; every run needs it", code="missing-key", at="key"), (name,)))
    lacking = {path for mistake, path in found if mistake.code == "missing-key"}
    homes = Homes(data, components.visited, lacking)
    for mistake, path in found:
        if mistake.code == "unknown-key" and not mistake.final:
            homes.send_home(mistake, path)
    # A required key that stands in the wrong place is one mistake.
    kept = [one for one in found if one[0].code != "missing-key" or one[1] not in homes.elsewhere]
    return kept, frozenset(suggested | {str(path[0]) for path in homes.elsewhere if len(path) == 1})


def _problem(mistake: Mistake, path: Path, composed: Composition) -> Problem:
    origin = origin_of(composed.marks, path, mistake.at)
    came = f" (it came from {origin.via})" if origin.via else ""
    return Problem(
        code=mistake.code,
        severity=mistake.severity,
        path=dotted(path),
        message=_discreet(mistake.message, path, origin, composed) + came,
        origin=origin,
        suggestion=mistake.suggestion,
    )


def _discreet(message: str, path: Path, origin: Location, composed: Composition) -> str:
    """The message, without a value that the environment brought in: it may be a secret."""
    if origin.kind != "environment":
        return message
    value: Any = composed.data
    for part in path:
        value = value[part]
    return re.sub(rf"(?<!\w){re.escape(str(value))}(?!\w)", "${env:…}", message) if str(value) else message


def _unknowable(problem: Problem, composed: Composition) -> bool:
    """Whether a problem follows from one that the config's text has: there is nothing to see, or not all of it."""
    if problem.code in _MISSING and not composed.whole:
        return True
    return any(problem.path == path or problem.path.startswith(f"{path}.") for path in map(dotted, composed.unresolved))


def _placed(problems: Iterable[Problem], composed: Composition) -> Iterator[Problem]:
    for problem in problems:
        if problem.origin is None:
            path = tuple(int(part) if part.isdigit() else part for part in problem.path.split("."))
            yield dataclasses.replace(problem, origin=composed.marks.value_at(path))
        else:
            yield problem


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    """By place; what an alias or an interpolation shows in several places is said once."""
    kept: dict[Any, Problem] = {}
    for problem in problems:
        place = problem.origin and (problem.origin.via or problem.origin)
        text = problem.path.rpartition(".")[2]
        key = (problem.code, text, place and (place.file, place.line, place.column), place is None and problem.message)
        kept.setdefault(key, problem)

    def order(problem: Problem) -> tuple[bool, str, int, int]:
        origin = problem.origin
        return (origin is None, origin.file, origin.line, origin.column) if origin else (True, "", 0, 0)

    return sorted(kept.values(), key=order)
