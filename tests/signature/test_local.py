from __future__ import annotations

import pytest

from runner.errors import SignatureError
from runner.signature import scan

FILE = """
import torch.nn as nn
from runner import registry
from runner.registry import METRICS, MODELS as M, TRANSFORMS, register
from runner.model.data_preprocessor import BaseDataPreprocessor
from layers import Block

raise RuntimeError("this ran")

NAME = "Named"

@M.register_module()
class Net(nn.Module):
    def __init__(self, width: int): ...

@METRICS.register_module(name=NAME, force=True)
class Metric: ...

@registry.TRANSFORMS.register_module(["A", "B"])
class Both: ...

@TRANSFORMS.register_module
def function(x): ...

@M.register_module("Third")
class Third(BaseDataPreprocessor): ...

METRICS.register_module(name="Called", module=Block)
METRICS.register_module("CalledToo")(Metric)

if True:
    @METRICS.register_module(name=make_name())
    class Unreadable: ...

@other.register_module()
class NotOurs: ...

def runner_register(catalog):
    catalog.dataset("Data", "model:Data")
    catalog.add("hook", name="Mine", target="layers:Mine")
    catalog.model(NAME, "model:Net", schema={"type": "object"})
    catalog.no_kind("X", "model:X")
    for name in names:
        catalog.metric(name, f"model:{name}")
"""


@pytest.fixture
def found(package):
    file = package.put("model.py", FILE)
    package.put("layers.py", "from runner.registry import MODELS\n@MODELS.register_module()\nclass Block: ...\n")
    return scan(file)


def test_registrations_are_listed(found):
    assert [(entry.kind, entry.name, entry.target, entry.force) for entry in found.entries] == [
        ("model", "Block", "layers:Block", False),
        ("model", "Net", "model:Net", False),
        ("metric", "Named", "model:Metric", True),
        ("transform", "A", "model:Both", False),
        ("transform", "B", "model:Both", False),
        ("transform", "function", "model:function", False),
        ("data_preprocessor", "Third", "model:Third", False),
        ("metric", "Called", "layers:Block", False),
        ("metric", "CalledToo", "model:Metric", False),
        ("dataset", "Data", "model:Data", False),
        ("hook", "Mine", "layers:Mine", False),
        ("model", "Named", "model:Net", False),
    ]
    assert all(entry.plugin == "local" for entry in found.entries)
    assert found.entries[-1].schema == {"type": "object"}


def test_places_and_notes(found, package):
    net = found.entries[1]
    assert net.location.file == str(package.folder / "model.py")
    assert FILE.splitlines()[net.location.line - 1].startswith("class Net")
    assert len(found.notes) == 3
    assert {file.name for file in found.files} == {"model.py", "layers.py"}
    assert (found.module, found.folder) == ("model", package.folder)


def test_what_it_lists_can_be_described(found, package):
    assert package.describe("model:Net").parameter("width").schema == {"type": "integer"}


def test_a_package(package):
    package.put("mine/__init__.py", "from . import nets\n")
    package.put("mine/nets.py", "from runner.registry import MODELS\n@MODELS.register_module()\nclass Net: ...\n")
    for file in (package.folder / "mine", package.folder / "mine" / "__init__.py"):
        found = scan(file)
        assert [entry.target for entry in found.entries] == ["mine.nets:Net"]
        assert (found.module, found.folder) == ("mine", package.folder)


@pytest.mark.parametrize(
    ("text", "message"), [("class X(:", "invalid syntax|model.py"), ("\0", "model.py"), (None, "no such file")]
)
def test_what_cannot_be_read_is_said(package, text, message):
    file = package.folder / "model.py"
    if text is not None:
        package.put("model.py", text)
    with pytest.raises(SignatureError, match=message):
        scan(file)
