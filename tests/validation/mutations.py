"""Generated mistakes: every example config, changed one place at a time, and what the validation makes of each.

`python tests/validation/mutations.py` makes them all and prints the figures; `test_mutations.py` judges a sample.

A mutation has to be reported at the line that it changed. It may go unreported only if the run stays the same (the
composed config with every default filled in is the original's), or if it is on the list `UNSEEN`.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import multiprocessing
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from runner.config import Composition, compose
from runner.errors import Problem, dotted
from runner.plugin import default_plugins
from runner.validation import check, fields
from runner.validation.components import Components
from runner.validation.keywords import make_validator
from runner.validation.local_code import read_local_code

ROOT = Path(__file__).parents[2]
CONFIGS = [*sorted(ROOT.glob("examples/**/*.yaml")), ROOT / "benchmarks/startup.yaml"]
PROCESSES = 2
TYPOS, MOST_TYPOS = 3, 100
"""Ways of misspelling a word; the second number where there is little to change, in `SCARCE`."""

REGIONS = {
    "plugin arguments": None,
    "transforms": re.compile(r"\.transform\b"),
    "clip_grad": re.compile(r"\bclip_grad\b"),
    "paramwise_cfg": re.compile(r"\bparamwise_cfg\b"),
    "hooks": re.compile(r"^(default|custom)_hooks\b"),
}
"""Where at least a twentieth of all mutations is, each; the first is known by the component's plugin."""
SCARCE = ("clip_grad", "paramwise_cfg")
UNSEEN: list[tuple[str, str, bool, str]] = [
    (
        "key misspelt",
        r"vars\.[^.]+|optim_wrapper\.\w*(ener|nera|rato|iscr|mina|nato)\w*",  # generator, discriminator
        True,
        "a name of the user's own: the references to it are reported",
    ),
    (
        "key misspelt",
        r"optim_wrapper\.paramwise_cfg\.custom_keys\.[^.]+",
        False,
        "a part of a parameter's name: the built model alone knows them",
    ),
    (
        "out of range",
        r"(.+\.)?mean(\.\d+)?|optim_wrapper(\.\w+)?\.clip_grad\.norm_type|model\.(inputs|targets)",
        False,
        "may be negative: a mean, the order of a norm, a position from the end",
    ),
    ("type changed", r"custom_hooks\.\d+\.priority", False, "a priority is a name or a number"),
    ("type changed", r"resume", False, "the path of a checkpoint is another way of saying it; --check-paths looks"),
    (
        "type changed",
        r"model\.(inputs|targets|init_cfg\.layer)",
        False,
        "parts of a batch have names, too, and layers of any name may be listed: data and built model alone know them",
    ),
    ("key moved", r"model\.data_preprocessor", False, "a model takes it, too: the run is the same"),
    (
        "key dropped",
        r"optim_wrapper(\.\w+)?\.clip_grad",
        False,
        "its `type` may be left out: it clips the norm, as before",
    ),
    ("key moved", r"param_scheduler\.type", True, "with it, the names of optimizers are arguments of one schedule"),
    ("key moved", r"model\.custom_imports", True, "the model's type is reported, which these files were to bring"),
]
"""At most ten that may go unreported at their line: kind, place, whether something must be said, and the reason."""

WRONG: dict[type, list[Any]] = {
    str: [{"a": 1}, 7, ["x"]],
    int: ["rubbish", {"a": 1}, ["x"]],
    float: ["rubbish", {"a": 1}, ["x"]],
    bool: ["rubbish", 7.5, {"a": 1}],
    list: [7.5, "rubbish", {"a": 1}],
    dict: [7.5, "rubbish", ["x"]],
}
"""What stands in for a value of a type."""


@dataclass(frozen=True)
class Mutation:
    """One mistake in one config: what to write, and where a problem is looked for."""

    config: Path
    kind: str
    path: tuple
    shown: str
    data: Any
    source: tuple = ()
    meant: str | None = None
    regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of a mutation: found, harmless, listed (with which entry), elsewhere, missed."""

    mutation: Mutation
    outcome: str
    errors: int
    suggested: bool
    entry: int | None
    problems: tuple[str, ...]

    def __str__(self) -> str:
        mutation = self.mutation
        where = f"{mutation.config.name} {mutation.kind} {dotted(mutation.path)} ({mutation.shown})"
        return f"{self.outcome}: {where}: {'; '.join(self.problems) or 'no problem'}"


class Inline:
    """A value that is written into its key's line."""

    def __init__(self, value):
        self.value = value


@functools.cache
def catalog():
    return default_plugins().catalog


class Original:
    """A config as it is written, as it is composed, and what each of its mappings is held against."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.written = YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
        self.composition = compose(file)
        self.visited, self.defaulted = defaulted(self.composition)
        self.schemas = {
            path: self.visited[id(value)]
            for path, value in [((), self.composition.data), *walk(self.composition.data)]
            if id(value) in self.visited
        }

    def plugin(self, path: tuple) -> str | None:
        """The plugin of the component that a path is in."""
        for length in range(len(path), 0, -1):
            value = at(self.composition.data, path[:length])
            if isinstance(value, dict) and isinstance(value.get("type"), str) and path != (*path[:length], "type"):
                return next((entry.plugin for entry in catalog() if entry.name == _last(value["type"])), None)
        return None

    def regions(self, path: tuple) -> tuple[str, ...]:
        text = dotted(path)
        found = [name for name, pattern in REGIONS.items() if pattern is not None and pattern.search(text)]
        return (*found, "plugin arguments") if self.plugin(path) == "vision" else tuple(found)


@functools.cache
def original(file: Path) -> Original:
    return Original(file)


def defaulted(composition: Composition) -> tuple[dict[int, Any], Any]:
    """The schemas of the mappings, and the config with what the run takes where nothing is said."""
    data = composition.data
    local = read_local_code(data.get("custom_imports"), composition, catalog())
    components = Components(local.catalog, scope=None, missing_types="error", folders=local.folders)
    validator = make_validator(components)({})
    for key in data:
        if key in fields.root()["properties"]:
            list(validator.descend(data[key], fields.load(key), path=key))
    full = _filled(data, components.visited)
    for name in fields.names():
        full.setdefault(name, fields.load(name).get("default"))
    full.pop("vars", None)  # read only through interpolations, which are resolved
    return components.visited, full


def _filled(value, visited):
    if isinstance(value, list):
        return [_filled(item, visited) for item in value]
    if not isinstance(value, dict):
        return value
    full = {key: _filled(item, visited) for key, item in value.items()}
    schema = visited.get(id(value), {})
    for key, fragment in schema.get("properties", {}).items():
        if "default" in fragment:
            full.setdefault(key, fragment["default"])
    if "x-injected" in schema:
        full["type"] = schema["title"]
    return full


def walk(value, path=()) -> Iterator[tuple[tuple, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key), item
        yield from walk(item, (*path, key))


def at(data, path):
    for key in path:
        if not (isinstance(data, dict) and key in data) and not (isinstance(data, list) and key < len(data)):
            return None
        data = data[key]
    return data


def misspellings(word: str, limit: int, random_: random.Random) -> list[str]:
    """A word with one letter left out, doubled, replaced, or changed places with its neighbour."""
    made = set()
    for place in range(len(word)):
        if len(word) > 3:
            made.add(word[:place] + word[place + 1 :])
        made.add(word[: place + 1] + word[place:])
        made.add(word[:place] + word[place + 1 : place + 2] + word[place] + word[place + 2 :])
        made.add(word[:place] + ("e" if word[place] != "e" else "r") + word[place + 1 :])
    ordered = sorted(made - {word})
    random_.shuffle(ordered)
    return ordered[:limit]


def edited(data, path, change):
    """A copy of the data, in which `change` was done to the mapping or list that a path leads to."""
    mutated = copy.deepcopy(data)
    change(at(mutated, path))
    return mutated


def _limit(path) -> int:
    return MOST_TYPOS if any(REGIONS[name].search(dotted(path)) for name in SCARCE) else TYPOS


def misspelt_keys(own: Original, random_):
    for path, _ in walk(own.written):
        *parents, key = path
        mapping = at(own.written, parents)
        if isinstance(key, str) and len(key) > 1:
            for name in misspellings(key, _limit(path), random_):
                if name not in mapping:
                    data = edited(own.written, parents, functools.partial(_rename, key=key, name=name))
                    yield "key misspelt", (*parents, name), path, f"{key} → {name}", data, key


def _rename(mapping, key, name):
    items = [(name if other == key else other, value) for other, value in mapping.items()]
    mapping.clear()
    mapping.update(items)


def misspelt_types(own: Original, random_):
    for path, value in walk(own.written):
        if path[-1] == "type" and isinstance(value, str) and "$" not in value:
            for name in misspellings(value, _limit(path), random_):
                yield "type misspelt", path, path, f"{value} → {name}", _put(own, path, name), value


def _put(own: Original, path, value):
    return edited(own.written, path[:-1], lambda holder: holder.__setitem__(path[-1], Inline(value)))


def wrong_types(own: Original, _random):
    for path, _ in walk(own.written):
        value = at(own.composition.data, path)
        for wrong in WRONG.get(type(value), ()):
            yield "type changed", path, path, json.dumps(wrong), _put(own, path, wrong), None


def dropped_keys(own: Original, _random):
    for path, _ in walk(own.written):
        schema = own.schemas.get(path[:-1], {})
        needed = path[-1] in schema.get("required", ()) if len(path) > 1 else path[-1] in fields.root()["required"]
        if needed or path[-1] == "type":
            data = edited(own.written, path[:-1], lambda mapping, key=path[-1]: mapping.pop(key))
            if "_base_" in own.written and at(compose(own.file, text=written(data)).data, path) is not None:
                continue  # the base has it
            yield "key dropped", path[:-1], path, path[-1], data, None


def outside(own: Original, _random):
    """Just beyond each bound that is declared, and what is no number at all."""
    for path, _ in walk(own.written):
        value = at(own.composition.data, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            for number in dict.fromkeys([*_beyond(own, path), -1 - abs(value), math.inf]):
                yield "out of range", path, path, str(number), _put(own, path, number), None
            yield "out of range", path, path, "nan", _put(own, path, math.nan), None


def _beyond(own: Original, path) -> Iterator[float]:
    length = len(path)
    while length and not isinstance(path[length - 1], str):
        length -= 1
    fragment = own.schemas.get(path[: length - 1], {}).get("properties", {}).get(path[length - 1], {})
    for part in _items(fragment, path[length:]):
        for keyword, step in {"minimum": -1, "maximum": 1, "exclusiveMinimum": 0, "exclusiveMaximum": 0}.items():
            if isinstance(part.get(keyword), int | float):
                yield part[keyword] + step


def _items(fragment, indices) -> Iterator[Any]:
    """The branches of a schema that a value, or an item of a list, can be held against."""
    branches = [fragment, *fragment.get("anyOf", ())]
    if not indices:
        yield from branches
        return
    for branch in branches:
        each = branch.get("prefixItems", ())
        inner = each[indices[0]] if indices[0] < len(each) else branch.get("items")
        if isinstance(inner, dict):
            yield from _items(inner, indices[1:])


def moved_keys(own: Original, _random):
    """A key one mapping further up, at the top, and in each mapping beside it."""
    for path, value in walk(own.written):
        *parents, key = path
        if not isinstance(key, str) or value is None:
            continue
        siblings = [(*parents, other) for other, item in at(own.written, parents).items() if isinstance(item, dict)]
        above = parents[:-1]
        while above and not isinstance(at(own.written, above), dict):
            above = above[:-1]
        for target in dict.fromkeys([tuple(above), (), *siblings[:2]]):
            if target != tuple(parents) and target != path and key not in at(own.written, target):
                data = copy.deepcopy(own.written)
                at(data, target)[key] = at(data, parents).pop(key)
                yield "key moved", (*target, key), path, f"to {dotted(target) or 'the top'}", data, None


MAKERS = [misspelt_keys, wrong_types, dropped_keys, misspelt_types, outside, moved_keys]


def mutations(seed: int = 0) -> list[Mutation]:
    """Every mistake of every config."""
    random_ = random.Random(seed)
    made = []
    for own in map(original, CONFIGS):
        for make in MAKERS:
            for kind, path, source, shown, data, meant in make(own, random_):
                made.append(Mutation(own.file, kind, path, shown, data, source, meant, own.regions(source)))
    return made


def written(data: Any) -> str:
    return "".join(f"{line}\n" for line, _ in emit(data))


def emit(value: Any, path: tuple = ()) -> list[tuple[str, tuple]]:
    """A config in block style, each line with the path of what is written in it."""
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            lines += _under(f"{json.dumps(key)}:", item, (*path, key), "" if isinstance(item, list) else "  ")
        return lines
    if isinstance(value, list) and value:
        lines = []
        for index, item in enumerate(value):
            (first, place), *rest = emit(item, (*path, index))
            lines += [(f"- {first}", place), *((f"  {line}", below) for line, below in rest)]
        return lines
    return [(scalar(value), path)]


def _under(head, item, path, indent):
    if isinstance(item, dict | list) and item:
        return [(head, path), *((indent + line, place) for line, place in emit(item, path))]
    return [(f"{head} {scalar(item)}", path)]


def scalar(value: Any) -> str:
    value = value.value if isinstance(value, Inline) else value
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf"
    return json.dumps(value, ensure_ascii=False)


def lines_of(mutation: Mutation) -> set[int]:
    """Where a problem has to be: the changed line.

    For a key that is gone, the beginning of the mapping that it is missing from; for a key that was moved, also all
    that belongs to it where it is now.
    """
    emitted = emit(mutation.data)
    path, lines = mutation.path, set()
    if mutation.kind in {"key dropped", "key moved"}:
        parent = mutation.source[:-1]
        lines |= set(_lines(emitted, parent)[:2]) if parent else {1}
    if mutation.kind != "key dropped":
        inside = _lines(emitted, path)
        lines |= set(inside if mutation.kind == "key moved" else inside[:1])
    return lines


def _lines(emitted, path) -> list[int]:
    return [number for number, (_, place) in enumerate(emitted, 1) if place[: len(path)] == path]


def judge(mutation: Mutation) -> Verdict:
    """Check the mutated config, and hold the problems against the place of the mistake."""
    composition = compose(mutation.config, text=written(mutation.data))
    problems = check(composition, catalog())
    lines = lines_of(mutation)
    here = [problem for problem in problems if _within(problem, str(mutation.config), lines)]
    entry = None
    if here:
        outcome = "found"
    elif defaulted(composition)[1] == original(mutation.config).defaulted and not composition.problems:
        outcome = "harmless"
    else:
        entry = _listed(mutation, reported=bool(problems))
        outcome = "elsewhere" if problems else "missed"
        outcome = "listed" if entry is not None else outcome
    return Verdict(
        mutation,
        outcome,
        sum(problem.severity == "error" for problem in problems),
        any(_last(problem.suggestion) == _last(mutation.meant) for problem in here if problem.suggestion),
        entry,
        tuple(f"{problem} (did you mean {problem.suggestion})" for problem in problems[:2]),
    )


def _last(name):
    return name and name.rpartition(".")[2]


def _within(problem: Problem, file: str, lines: set[int]) -> bool:
    places = [problem.origin, problem.origin and problem.origin.via]
    return any(place is not None and place.file == file and place.line in lines for place in places)


def _listed(mutation: Mutation, *, reported: bool) -> int | None:
    for number, (kind, pattern, somewhere, _) in enumerate(UNSEEN):
        if kind == mutation.kind and re.fullmatch(pattern, dotted(mutation.path)) and (reported or not somewhere):
            return number
    return None


def shares(made: list[Mutation]) -> dict[str, float]:
    """How many of the mutations are in each region, as a fraction."""
    count = Counter(region for mutation in made for region in mutation.regions)
    return {name: count[name] / max(1, len(made)) for name in REGIONS}


class Figures:
    """The verdicts, counted."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self.verdicts = list(verdicts)
        found = [verdict for verdict in self.verdicts if verdict.outcome == "found"]
        self.failures = [verdict for verdict in self.verdicts if verdict.outcome in {"missed", "elsewhere"}]
        self.typos = [verdict for verdict in found if verdict.mutation.meant]
        self.suggested = sum(verdict.suggested for verdict in self.typos) / max(1, len(self.typos))
        self.alone = sum(len(verdict.problems) == 1 for verdict in found) / max(1, len(found))
        self.shares = shares([verdict.mutation for verdict in self.verdicts])

    def table(self) -> str:
        """What the script prints."""
        outcomes = ("found", "harmless", "listed", "elsewhere", "missed")
        rows = [("mistake", "made", *outcomes, "warning only")]
        for kind in [*dict.fromkeys(verdict.mutation.kind for verdict in self.verdicts), "all"]:
            chosen = [verdict for verdict in self.verdicts if kind in {verdict.mutation.kind, "all"}]
            count = Counter(verdict.outcome for verdict in chosen)
            warned = sum(verdict.outcome == "found" and not verdict.errors for verdict in chosen)
            rows.append((kind, len(chosen), *(count[outcome] for outcome in outcomes), warned))
        text = [f"{row[0]:14}" + "".join(f"{cell!s:>13}" for cell in row[1:]) for row in rows]
        text.append("")
        text += [f"{name:18}{share:7.1%} of all" for name, share in self.shares.items()]
        text.append(f"typos with the original as suggestion: {self.suggested:.1%} of {len(self.typos)}")
        text.append(f"one problem and no other: {self.alone:.1%} of what was found")
        used = Counter(verdict.entry for verdict in self.verdicts)
        text += [
            f"listed, {used[number]} times: {kind} at {path}: {why}"
            for number, (kind, path, _, why) in enumerate(UNSEEN)
        ]
        return "\n".join(text)


def unmutated() -> list[str]:
    """What is found in the configs as they are, and as this module writes them: nothing."""
    found = []
    for file in CONFIGS:
        again = compose(file, text=written(original(file).written))
        found += [*check(compose(file), catalog()), *check(again, catalog())]
        if again.data != original(file).composition.data:
            found.append(f"{file.name}: written again, it is another config")
    return [str(each) for each in found]


def judge_all(made: list[Mutation]) -> list[Verdict]:
    """In two processes, which have what was made before them."""
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        return pool.map(judge, made, chunksize=25)


def main() -> int:
    """Make all, judge all, print the figures and what slipped past."""
    wrong = unmutated()
    figures = Figures(judge_all(mutations()))
    failures = [*wrong, *map(str, figures.failures)]
    sys.stdout.write("\n".join([figures.table(), "", *failures]) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
