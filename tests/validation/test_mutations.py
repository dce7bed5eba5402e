"""A sample of mistakes, made by changing the examples one place at a time: each is found, where it was made."""

from __future__ import annotations

import copy
import io
import logging
import random
from collections import Counter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from runner.config import compose
from runner.validation import check

ROOT = Path(__file__).parents[2]
CONFIGS = [*sorted(ROOT.glob("examples/*/*.yaml")), ROOT / "benchmarks/startup.yaml"]
SAMPLE = 40
"""Mutations of each kind, of all configs together."""
FREE = (("vars",), ("optim_wrapper", "paramwise_cfg", "custom_keys"))
"""Mappings whose keys are the user's own."""


WRONG = {str: {"a": 1}, int: "rubbish", float: "rubbish", bool: "rubbish", list: 7.5, dict: 7.5}


def walk(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if path not in FREE and (*path, key) != FREE[0]:
            yield (*path, key), item
        yield from walk(item, (*path, key)) if (*path, key) != FREE[0] else ()


def at(data, path):
    for key in path:
        data = data[key]
    return data


def misspelt(word, random_):
    """One letter left out, doubled, or changed places with its neighbour."""
    place = random_.randrange(len(word) - 1)
    how = random_.randrange(3)
    if how == 0 and len(word) > 3:
        return word[:place] + word[place + 1 :]
    if how == 1 or word[place] == word[place + 1]:
        return word[: place + 1] + word[place:]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def key_misspelt(data, path, random_):
    """The key under another name, in its place: the path of the problem, and the suggestion."""
    *parents, key = path
    if not isinstance(key, str) or len(key) < 2:
        return None
    mapping, name = at(data, parents), misspelt(key, random_)
    items = [(name if other == key else other, value) for other, value in mapping.items()]
    mapping.clear()
    mapping.update(items)
    return (*parents, name), key


def type_misspelt(data, path, random_):
    value = at(data, path)
    if path[-1] != "type" or not value[:1].isupper():
        return None
    at(data, path[:-1])["type"] = misspelt(value, random_)
    return path, value


def wrong_type(data, path, _random):
    value = at(data, path)
    if value is None:
        return None
    at(data, path[:-1])[path[-1]] = WRONG[type(value)]
    return path, None


def moved_up(data, path, _random):
    """The key one mapping further up."""
    if len(path) < 2 or not isinstance(path[-1], str):
        return None
    parents = path[:-2]
    while not isinstance(at(data, parents), dict):
        parents = parents[:-1]
    if path[-1] in at(data, parents) or parents in FREE or at(data, path) is None:
        return None
    at(data, parents)[path[-1]] = at(data, path[:-1]).pop(path[-1])
    return (*parents, path[-1]), None


def mutations(mutate, random_):
    """Every place of every config that the mutation applies to, in any order, as (file, mutated, path, suggestion)."""
    originals = {file: compose(file).data for file in CONFIGS}
    places = [(file, path) for file, data in originals.items() for path, _ in walk(data)]
    random_.shuffle(places)
    for file, path in places:
        data = copy.deepcopy(originals[file])
        made = mutate(data, path, random_)
        if made is not None:
            yield file, data, *made


def written(data):
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(data, stream)
    return stream.getvalue()


@pytest.mark.parametrize("mutate", [key_misspelt, type_misspelt, wrong_type, moved_up])
def test_mutations(mutate, catalog):
    figures = Counter()
    missed = []
    random_ = random.Random(0)
    for (file, data, path, suggestion), _ in zip(mutations(mutate, random_), range(SAMPLE), strict=False):
        composition = compose(str(file), text=written(data))
        problems = [problem for problem in check(composition, catalog) if problem.severity == "error"]
        here = [problem for problem in problems if problem.path == ".".join(map(str, path))]
        figures["made"] += 1
        figures["found"] += bool(problems)
        figures["alone"] += len(problems) == 1
        figures["suggested"] += any(problem.suggestion == suggestion for problem in here)
        if not here:
            missed.append((file.name, path, problems))
    logging.getLogger(__name__).info("%s: %s", mutate.__name__, dict(figures))  # --log-cli-level=INFO shows it
    assert not missed
    assert figures["made"] == SAMPLE
    assert figures["alone"] >= 0.9 * SAMPLE
    assert figures["suggested"] >= 0.95 * SAMPLE
