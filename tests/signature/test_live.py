from __future__ import annotations

import enum
import linecache
import subprocess
import sys
import textwrap
from typing import Annotated, Any, Literal, Optional

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from runner.errors import SignatureError
from runner.kinds import Interval, Slot
from runner.signature import UNKNOWN, describe


class Backbone(nn.Module):
    def __init__(self, depth: int = 3, *, norm: Literal["bn", "ln"] = "bn"):
        super().__init__()


def schemas(signature):
    return {each.name: each.schema for each in signature.parameters}


def test_a_class_of_a_module():
    found = describe(Backbone)
    assert schemas(found) == {"depth": {"type": "integer"}, "norm": {"enum": ["bn", "ln"]}}
    assert found.bases[-1] == "torch.nn.modules.module:Module"
    assert found.file == __file__


def test_an_imported_class_is_read_by_its_name():
    assert describe(torch.optim.SGD).parameters == describe("torch.optim:SGD").parameters


def test_classes_of_a_function():
    class Color(enum.Enum):
        RED = "red"

    class Base:
        def __init__(self, backbone: nn.Module | dict, color: Color = Color.RED): ...

    class Net(Base):
        """A net.

        Args:
            width: How wide.
        """

        def __init__(self, width: int, **kwargs):
            super().__init__(**kwargs)

    found = describe(Net)
    assert list(schemas(found)) == ["width", "backbone", "color"]
    assert found.parameter("backbone").slot == "model"
    assert found.parameter("color").schema["enum"] == ["red", "RED"]
    assert found.parameter("color").default is UNKNOWN
    assert found.parameter("width").doc == "How wide."
    assert found.summary == "A net."


@pytest.mark.parametrize("base", [nn.Module, Dataset, Backbone])
def test_a_base_that_is_a_variable(base):
    class Thing(base):
        def __init__(self, x: int, **kwargs):
            super().__init__(**kwargs)

    found = describe(Thing)
    assert list(schemas(found)) == ["x", *(["depth", "norm"] if base is Backbone else [])]
    assert not found.open


def notebook(text, namespace, number):
    name = f"<cell {number}>"
    text = textwrap.dedent(text)
    linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
    exec(compile(text, name, "exec"), namespace)


@pytest.fixture
def main(monkeypatch):
    module = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return vars(module)


def test_the_cells_of_a_notebook(main):
    notebook("from torch import nn\nfrom typing import Optional\nimport enum", main, 1)
    notebook(
        "class Mode(enum.Enum):\n    FAST = 1\nclass Base(nn.Module):\n    def __init__(self, a: int): ...", main, 2
    )
    notebook(
        """
        class Net(Base):
            def __init__(self, mode: Mode, head: Optional[nn.Module] = None, **kwargs):
                super().__init__(**kwargs)
        """,
        main,
        3,
    )
    found = describe(main["Net"])
    assert schemas(found)["mode"]["enum"] == [1, "FAST"]
    assert schemas(found)["head"] == {"anyOf": [{"x-slot": "model"}, {"type": "null"}]}
    assert schemas(found)["a"] == {"type": "integer"}
    assert found.bases[-1] == "torch.nn.modules.module:Module"


def test_without_any_text(main):
    main.update(Annotated=Annotated, Interval=Interval, Slot=Slot, Any=Any, Optional=Optional, nn=nn, Literal=Literal)
    exec(
        textwrap.dedent(
            """
            class Net(nn.Module):
                def __init__(self, a: Annotated[int, Interval(ge=1)], b: Optional[nn.Module] = None, c: "list[int]" = (),
                             d: Annotated[list[Any], Slot("transform")] = (), e: Literal["x"] | None = "x", **kwargs): ...
            def function(x: int = 3): ...
            """
        ),
        main,
    )
    found = describe(main["Net"])
    assert schemas(found) == {
        "a": {"type": "integer", "minimum": 1},
        "b": {"anyOf": [{"x-slot": "model"}, {"type": "null"}]},
        "c": {"type": "array", "items": {"type": "integer"}},
        "d": {"type": "array", "items": {"x-slot": "transform"}},
        "e": {"enum": ["x", None]},
    }
    assert found.open
    assert found.bases[-1] == "torch.nn.modules.module:Module"
    assert describe(main["function"]).parameter("x").default == 3


def test_a_class_redefined_in_the_process(main):
    for number, text in enumerate(["a: int", "b: str"]):
        notebook(f"class Thing:\n    def __init__(self, {text}): ...\n", main, number)
        assert list(schemas(describe(main["Thing"]))) == [text[0]]


def test_functions_and_partials():
    import functools

    def function(x: int, *, y: str = "y"): ...

    assert schemas(describe(function)) == {"x": {"type": "integer"}, "y": {"type": "string"}}
    assert "y" in schemas(describe(functools.partial(function, 1)))


def test_made_classes_are_no_crash():
    made = type("Made", (Backbone,), {"__init__": lambda self, q=3: None})
    assert list(schemas(describe(made))) == ["q"]
    assert list(schemas(describe(type("Plain", (Backbone,), {})))) == ["depth", "norm"]


def test_what_has_no_signature():
    class Odd:
        __module__ = "nowhere"
        __qualname__ = "odd"
        __signature__ = 3

        def __call__(self): ...

    with pytest.raises(SignatureError):
        describe(Odd())


def test_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from runner.signature import describe

            class Base:
                def __init__(self, a: int): ...

            class Thing(Base):
                def __init__(self, b: "str | None", **kwargs):
                    super().__init__(**kwargs)

            if __name__ == "__main__":
                found = describe(Thing)
                assert {each.name: each.schema for each in found.parameters} == {
                    "b": {"type": ["string", "null"]}, "a": {"type": "integer"}
                }, found
            """
        ),
        encoding="utf-8",
    )
    subprocess.run([sys.executable, str(script)], check=True)
