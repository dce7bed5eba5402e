from __future__ import annotations

import sys

import pytest

NULL = {"type": "null"}
INT = {"type": "integer"}
STRING = {"type": "string"}

PREAMBLE = """
import collections.abc
import enum
import numbers
import os
import pathlib
import typing as t
from collections.abc import Callable as C, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    Annotated, Any, Dict, Generic, List, Literal, NewType, Optional, Protocol, Set, Tuple, Type, TypedDict, TypeVar, Union,
)

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Sampler
from typing_extensions import NotRequired, Required, TypeAlias

from runner.kinds import Interval, Slot
from runner.evaluator.metric import BaseMetric
import annotated_types
from annotated_types import Ge, Len
from no_such_package import Missing

Size = NewType("Size", int)
Pair: TypeAlias = "tuple[int, int]"
T = TypeVar("T")
Bound = TypeVar("Bound", bound=nn.Module)
Either = TypeVar("Either", int, str)
OneOrPair = Union[T, Tuple[T, T]]
Probability = Annotated[float, Interval(ge=0, le=1)]
LIMIT = 8
Loop: TypeAlias = "list[Loop] | int"

class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    def paint(self): ...

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

class Auto(enum.Enum):
    A = enum.auto()
    B = enum.auto()

class Clip(TypedDict, total=False):
    '''How to clip.

    Attributes:
        max_norm: The largest norm,
            as it is summed up.
        norm_type: Which norm.
    '''
    max_norm: Required[float]
    norm_type: int | Literal["inf"]

class More(Clip):
    extra: str
    '''Below.'''
    maybe: NotRequired[Color]

Functional = TypedDict("Functional", {"a-b": int, "c": NotRequired[str]})

@dataclass
class Point:
    '''A point.

    Args:
        x: To the right.
    '''
    x: int
    y: float = 1.5
    names: list[str] = field(default_factory=list)
    hidden: int = field(default=0, init=False)

class Node(TypedDict):
    children: list["Node"]

class Backbone(nn.Module): ...
class Mine(Dataset[int]): ...
class Opaque: ...

class Collate(Protocol):
    def __call__(self, batch: list) -> Any: ...
"""


def slot(kind):
    return {"x-slot": kind}


def array(items=None, **more):
    return {"type": "array", **({"items": items} if items else {}), **more}


CLIP = {
    "max_norm": {"type": "number", "description": "The largest norm, as it is summed up."},
    "norm_type": {"anyOf": [{"enum": ["inf"]}, INT], "description": "Which norm."},
}
PATH = {"type": "string", "format": "path", "x-python": "pathlib:Path"}
COLOR = {"enum": ["red", "green", "RED", "GREEN"], "x-python": "forms:Color"}

FORMS = {
    "None": NULL,
    "bool": {"type": "boolean"},
    "int": INT,
    "float": {"type": "number"},
    "str": STRING,
    "Any": {},
    "object": {},
    "Path": PATH,
    "pathlib.Path": PATH,
    "os.PathLike[str] | str": STRING,
    "Optional[int]": {"type": ["integer", "null"]},
    "t.Optional[int]": {"type": ["integer", "null"]},
    "Union[int, str, None]": {"type": ["integer", "string", "null"]},
    "int | float": {"type": "number"},
    "'int | None'": {"type": ["integer", "null"]},
    "Optional['Color']": {"anyOf": [COLOR, NULL]},
    "Literal['a', 'b']": {"enum": ["a", "b"]},
    "Literal['a', 1, -1, True, None]": {"enum": ["a", 1, -1, True, None]},
    "Literal['a'] | Literal['b'] | None": {"enum": ["a", "b", None]},
    "Literal['auto'] | int": {"anyOf": [{"enum": ["auto"]}, INT]},
    "Literal['auto'] | str": STRING,
    "Literal[Color.RED]": {"enum": ["red", "RED"]},
    "Color": COLOR,
    "Level": {"enum": [1, 2, "LOW", "HIGH"], "x-python": "forms:Level"},
    "Auto": {"enum": ["A", "B"], "x-python": "forms:Auto"},
    "list": array(),
    "list[int]": array(INT),
    "List[int]": array(INT),
    "Sequence[int]": array(INT),
    "collections.abc.Sequence[str]": array(STRING),
    "Iterable[int]": array(INT),
    "set[str]": array(STRING, uniqueItems=True, **{"x-python": "builtins:set"}),
    "tuple": array(),
    "tuple[int, int]": array(INT, minItems=2, maxItems=2),
    "tuple[int, str]": {"type": "array", "prefixItems": [INT, STRING], "minItems": 2, "maxItems": 2},
    "tuple[float, ...]": array({"type": "number"}),
    "tuple[()]": array(minItems=0, maxItems=0),
    "Pair": array(INT, minItems=2, maxItems=2),
    "OneOrPair[int]": {"anyOf": [array(INT, minItems=2, maxItems=2), INT]},
    "Loop": {"type": ["array", "integer"]},
    "dict": {"type": "object"},
    "Mapping": {"type": "object"},
    "Dict[str, Any]": {"type": "object"},
    "dict[str, int]": {"type": "object", "additionalProperties": INT},
    "Mapping[Literal['a', 'b'], float]": {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "propertyNames": {"enum": ["a", "b"]},
    },
    "Clip": {
        "type": "object",
        "title": "Clip",
        "properties": CLIP,
        "required": ["max_norm"],
        "additionalProperties": False,
    },
    "More": {
        "type": "object",
        "title": "More",
        "properties": {**CLIP, "extra": {"type": "string", "description": "Below."}, "maybe": COLOR},
        "required": ["max_norm", "extra"],
        "additionalProperties": False,
    },
    "Functional": {
        "type": "object",
        "title": "Functional",
        "properties": {"a-b": INT, "c": STRING},
        "required": ["a-b"],
        "additionalProperties": False,
    },
    "Node": {
        "type": "object",
        "title": "Node",
        "properties": {"children": array({"type": "object"})},
        "required": ["children"],
        "additionalProperties": False,
    },
    "Point": {
        "type": "object",
        "title": "Point",
        "properties": {
            "x": {"type": "integer", "description": "To the right."},
            "y": {"type": "number", "default": 1.5},
            "names": {"type": "array", "items": STRING, "default": []},
        },
        "required": ["x"],
        "additionalProperties": False,
        "x-python": "forms:Point",
    },
    "Size": INT,
    "T": {},
    "Bound": slot("model"),
    "Either": {"type": ["integer", "string"]},
    "Probability": {"type": "number", "minimum": 0, "maximum": 1},
    "Annotated[int, Interval(ge=1)]": {"type": "integer", "minimum": 1},
    "Annotated[int, Ge(1), annotated_types.Lt(LIMIT)]": {"type": "integer", "minimum": 1, "exclusiveMaximum": 8},
    "Annotated[int | None, Interval(gt=0)]": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, NULL]},
    "Annotated[list[int], Len(2, 3)]": array(INT, minItems=2, maxItems=3),
    "Annotated[str, 'a comment']": STRING,
    "torch.dtype | None": None,
    "float | Tensor": {"type": "number"},
    "tuple[float | Tensor, float | Tensor]": array({"type": "number"}, minItems=2, maxItems=2),
    "Tensor": {"type": "array", "x-python": "torch:Tensor"},
    "Tensor | None": {"type": ["array", "null"], "x-python": "torch:Tensor"},
    "np.ndarray | list[float]": array({"type": "number"}),
    "numbers.Number": {"type": "number"},
    "Opaque": {},
    "Opaque | str": STRING,
    "Type[nn.Module]": {},
    "type[int]": {},
    "Missing": {},
    "Missing | int": {},
    "nn.Module": slot("model"),
    "torch.nn.Module": slot("model"),
    "Backbone": slot("model"),
    "dict | nn.Module": slot("model"),
    "dict | nn.Module | None": {"anyOf": [slot("model"), NULL]},
    "Mapping[str, Any] | Backbone": slot("model"),
    "Dataset": slot("dataset"),
    "Dataset[int]": slot("dataset"),
    "Mine": slot("dataset"),
    "IterableDataset": slot("dataset"),
    "Sampler | None": {"anyOf": [slot("sampler"), NULL]},
    "BatchSampler": slot("batch_sampler"),
    "torch.optim.Optimizer": slot("optimizer"),
    "list[dict | nn.Module]": array(slot("model")),
    "list[dict] | list[nn.Module]": array(slot("model")),
    "nn.Module | list[dict]": {"anyOf": [slot("model"), array(slot("model"))]},
    "dict | nn.Module | Sequence": {"anyOf": [slot("model"), array(slot("model"))]},
    "nn.Module | Sequence": {"anyOf": [slot("model"), array()]},
    "nn.Module | list[nn.Module]": {"anyOf": [slot("model"), array(slot("model"))]},
    "dict[str, nn.Module]": {"type": "object", "additionalProperties": slot("model")},
    "DataLoader | dict": {"type": "object"},
    "C": slot("function"),
    "t.Callable[[int], str] | None": {"anyOf": [slot("function"), NULL]},
    "Collate": slot("function"),
    "Annotated[list[Any], Slot('transform')]": array(slot("transform")),
    "Annotated[dict | C, Slot('transform')]": slot("transform"),
    "Annotated[Any, Slot(kind='metric')] | None": {"anyOf": [slot("metric"), NULL]},
    "Annotated[list, Slot('metric')]": array(slot("metric")),
    "1 + 1": {},
    "'not python ('": {},
}


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    from runner.signature import describe

    folder = tmp_path_factory.mktemp("forms")
    arguments = ", ".join(f"a{number}: {form}" for number, form in enumerate(FORMS))
    (folder / "forms.py").write_text(
        f"{PREAMBLE}\nclass Thing:\n    def __init__(self, {arguments}): ...\n", encoding="utf-8"
    )
    return describe("forms:Thing", paths=[folder])


@pytest.mark.parametrize(("number", "form"), list(enumerate(FORMS)), ids=str)
def test_an_annotation_becomes_a_fragment(forms, number, form):
    found = forms.parameter(f"a{number}").schema
    if FORMS[form] is not None:
        assert found == FORMS[form]
    assert forms.parameter(f"a{number}").slot == next(iter(_slots(found)), None)


def _slots(fragment):
    if isinstance(fragment, dict):
        yield from [fragment["x-slot"]] if "x-slot" in fragment else []
        for value in fragment.values():
            yield from _slots(value)
    elif isinstance(fragment, list):
        for value in fragment:
            yield from _slots(value)


def test_what_cannot_be_known_is_said(forms):
    assert any("'Missing'" in note for note in forms.notes)
    assert any("Opaque" in note or "Tensor" in note for note in forms.notes)


def test_the_fragments_are_json_schema(forms):
    from jsonschema import Draft202012Validator

    for parameter in forms.parameters:
        Draft202012Validator.check_schema(parameter.schema)


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("torch.dtype | None", ["float32", "torch.bfloat16", None], ["float33", 1]),
        ("Sequence[int]", [[1, 2]], ["12", 1, ["1"]]),
        ("float", [1, 1.5], [True, "1"]),
        ("int", [1], [True, 1.5, "1"]),
        ("Level", [1, "LOW"], [3, "low"]),
        ("set[str]", [["a"]], [["a", "a"]]),
        ("Clip", [{"max_norm": 1}, {"max_norm": 1, "norm_type": "inf"}], [{}, {"max_nrm": 1}]),
    ],
)
def test_fragments_accept_and_refuse(forms, form, good, bad):
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(forms.parameter(f"a{list(FORMS).index(form)}").schema)
    assert all(validator.is_valid(value) for value in good)
    assert not any(validator.is_valid(value) for value in bad)


NAMES = {
    "pipeline: list[dict]": array(slot("transform")),
    "pipeline: list[dict | C] | None = None": {"anyOf": [array(slot("transform")), NULL]},
    "transforms: Sequence": array(slot("transform")),
    "transforms: Sequence[C | nn.Module]": array(slot("transform")),
    "pipeline=()": {"anyOf": [slot("transform"), array(slot("transform"))]},
    "transform: C | None = None": {"anyOf": [slot("transform"), NULL]},
    "target_transform: Optional[C] = None": {"anyOf": [slot("transform"), NULL]},
    "transform=None": {"anyOf": [slot("transform"), NULL]},
    "transform: str = 'resize'": STRING,
    "transform: bool = False": {"type": "boolean"},
    "collate_fn: C": slot("function"),
    "x": {},
    "x=False": {},
    "x: int = None": {"type": ["integer", "null"]},
    "x: float = 'auto'": {"anyOf": [{"enum": ["auto"]}, {"type": "number"}]},
    "x: tuple[int, int] = (1, 2)": array(INT, minItems=2, maxItems=2),
}


@pytest.mark.parametrize("form", NAMES)
def test_names_and_defaults_count_too(package, form):
    package.put("forms.py", f"{PREAMBLE}\ndef make({form}): ...\n")
    assert package.describe("forms:make").parameters[0].schema == NAMES[form]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
def test_type_parameters(package):
    package.put(
        "forms.py",
        """
        type Pair[X] = tuple[X, X]

        class Thing[T: int]:
            def __init__(self, a: T, b: Pair[str]): ...
        """,
    )
    found = package.describe("forms:Thing")
    assert found.parameter("a").schema == INT
    assert found.parameter("b").schema == array(STRING, minItems=2, maxItems=2)
