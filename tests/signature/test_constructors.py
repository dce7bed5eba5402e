from __future__ import annotations

import math

import pytest

from runner.errors import SignatureError
from runner.signature import REQUIRED, UNKNOWN


def names(signature):
    return [parameter.name for parameter in signature.parameters]


@pytest.fixture
def shop(package):
    """A package that imports in every way there is; importing any of it would raise."""
    boom = "raise RuntimeError('this was imported')\n"
    package.put(
        "shop/__init__.py", f"from .first import *\nfrom .second import Renamed as Public\nfrom . import sub\n{boom}"
    )
    package.put(
        "shop/first.py",
        f"""
        from .second import Base, SIZE
        __all__ = ["First"]
        class First(Base):
            def __init__(self, own: int, *args, **kwargs):
                super().__init__(*args, **kwargs)
        {boom}
        """,
    )
    package.put(
        "shop/second.py",
        f"""
        SIZE = 2 ** 3
        class Base:
            def __init__(self, size: int = SIZE, name: str = "base"): ...
        class Renamed(Base): ...
        Alias = Renamed
        {boom}
        """,
    )
    package.put("shop/sub/__init__.py", boom)
    package.put("shop/sub/deep.py", f"import shop.second as two\nclass Deep(two.Base): ...\n{boom}")
    package.put(
        "lazy/__init__.py",
        f"""
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from .things import Thing
        else:
            Thing = None
        {boom}
        """,
    )
    package.put("lazy/things.py", f"class Thing:\n    def __init__(self, a: int): ...\n{boom}")
    package.put(
        "stubbed/__init__.py", f"import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub()\n{boom}"
    )
    package.put("stubbed/__init__.pyi", "from .real import Real as Real\n")
    package.put("stubbed/real.py", f"class Real:\n    def __init__(self, b: str): ...\n{boom}")
    package.put("stubbed/only.pyi", "class Only:\n    def __init__(self, c: float = ...) -> None: ...\n")
    return package


@pytest.mark.parametrize(
    ("target", "expected", "module"),
    [
        ("shop:First", ["own", "size", "name"], "shop.first"),
        ("shop:Public", ["size", "name"], "shop.second"),
        ("shop.second:Alias", ["size", "name"], "shop.second"),
        ("shop.sub.deep:Deep", ["size", "name"], "shop.sub.deep"),
        ("lazy:Thing", ["a"], "lazy.things"),
        ("stubbed:Real", ["b"], "stubbed.real"),
        ("stubbed.only:Only", ["c"], "stubbed.only"),
    ],
)
def test_definitions_are_found_and_nothing_is_imported(shop, target, expected, module):
    found = shop.describe(target)
    assert names(found) == expected
    assert found.bases[0].startswith(f"{module}:")
    assert not found.open


def test_constants_and_stubs_as_defaults(shop):
    assert shop.describe("shop:First").parameter("size").default == 8
    assert shop.describe("stubbed.only:Only").parameter("c").default is UNKNOWN


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_package:X", "no module 'no_such_package'"),
        ("shop.none:X", "no module 'shop.none'"),
        ("shop.first:Frist", "has no 'Frist'; did you mean 'First'"),
        ("shop", "write 'package.module:Class'"),
        ("shop:sub", "shop:sub"),
        ("broken:X", "broken.py"),
    ],
)
def test_what_is_not_there_is_said(shop, target, message):
    shop.put("broken.py", "class X(:\n")
    with pytest.raises(SignatureError, match=message):
        shop.describe(target)


CLASSES = """
import dataclasses
import functools
from dataclasses import dataclass, field, KW_ONLY, InitVar
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, TypedDict, overload
from typing_extensions import Unpack
import torch
from torch import nn
from torch.utils.data import Dataset

T = TypeVar("T")

class Root:
    def __init__(self, root: int = 0, dataset: Dataset | None = None): ...

class Left(Root):
    def __init__(self, left: int = 1, **kwargs):
        super().__init__(**kwargs)

class Right(Root):
    def __init__(self, right: int = 2, **kwargs):
        super(Right, self).__init__(**kwargs)

class Both(Left, Right):
    def __init__(self, both, **kwargs):
        super().__init__(**kwargs)

class ByName(Root):
    def __init__(self, extra: str = "", **kw):
        Root.__init__(self, 5, **kw)

class Binds(Root):
    def __init__(self, **kwargs):
        kwargs["dataset"] = None
        super().__init__(**kwargs)

class Fixed(Left):
    def __init__(self, **kwargs):
        super().__init__(left=3, **kwargs)

class Pops(Root):
    def __init__(self, **kwargs):
        self.a = kwargs.pop("a", 4)
        self.b = kwargs.pop("b")
        self.c = kwargs.get("c")
        if "d" in kwargs:
            self.d = kwargs.pop("d")
        if kwargs:
            raise TypeError(f"unexpected: {sorted(kwargs)}")

class HandsOn(Root):
    def __init__(self, dataset, size=3, renamed=None):
        super().__init__(size, dataset=dataset)

class Vague(Root):
    def __init__(self, dataset: dict):
        super().__init__(dataset=dataset)

class Changes(Root):
    def __init__(self, dataset):
        dataset = list(dataset)
        super().__init__(dataset=dataset)

class Stores:
    def __init__(self, **kwargs):
        self.kwargs = kwargs

class Ignores:
    def __init__(self, *args, **kwargs):
        pass

class Method(Root):
    def __init__(self, x: int, **kwargs):
        super().__init__()
        self.setup(**kwargs)
    def setup(self, y: int, z: int = 3): ...

class Feeds:
    def __init__(self, **kwargs):
        self.inner = Left(**kwargs)

class New:
    def __new__(cls, value: int, *args): ...

class NewAndInit:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)
    def __init__(self, value: str): ...

class Positional(Root):
    def __init__(self, dataset, *args, **kwargs):
        super().__init__(1, dataset, *args, **kwargs)

class Typed(TypedDict, total=False):
    lr: float
    name: str

class Unpacked:
    def __init__(self, a: int, **kwargs: Unpack[Typed]): ...

class FromElsewhere(Unreadable):
    pass

class FromElsewhereWithOwn(Unreadable):
    def __init__(self, a): ...

class GenericBase(Generic[T]):
    def __init__(self, item: T): ...

class Concrete(GenericBase[int], nn.Module): ...

class Net(nn.Module):
    def __init__(self, width: int):
        super().__init__()

class Kwargs(nn.Module):
    def __init__(self, width: int = 3, **kwargs):
        super().__init__(**kwargs)

@dataclass
class Data:
    a: int
    b: float = 0.5
    c: list[int] = field(default_factory=list)
    d: int = field(default=3, repr=False)
    e: int = field(init=False)
    shared: ClassVar[int] = 1
    seed: InitVar[int] = 7
    _: KW_ONLY
    f: str = "f"

@dataclasses.dataclass(kw_only=True)
class MoreData(Data):
    g: int = 1
    b: float = 2.5

class Tuple(NamedTuple):
    x: int
    y: int = 0

class Overloaded:
    @overload
    def __init__(self, a: int) -> None: ...
    @overload
    def __init__(self, a: str, b: int) -> None: ...
    def __init__(self, a, b=None): ...

class Decorated:
    @torch.no_grad()
    @functools.wraps(print)
    def __init__(self, a: int): ...

class Borrowed:
    __init__ = Root.__init__

class Nested:
    class Inner:
        def __init__(self, a: int): ...

class Circular(Circular): ...

def function(a: int, b=2, /, c=3, *args, d, **kwargs): ...
def wraps(x: int, **kwargs):
    return function(1, c=x, **kwargs)
part = functools.partial(function, 1, d=4)
made = nn.Linear
other = some_call()
"""

ANY = "open"

ARGUMENTS = {
    "Root": ["root", "dataset"],
    "Left": ["left", "root", "dataset"],
    "Both": ["both", "left", "right", "root", "dataset"],
    "ByName": ["extra", "dataset"],
    "Binds": ["root"],
    "Fixed": ["root", "dataset"],
    "Pops": ["a", "b", "c", "d"],
    "HandsOn": ["dataset", "size", "renamed"],
    "Stores": [ANY],
    "Ignores": [ANY],
    "Method": ["x", "y", "z"],
    "Feeds": ["left", "root", "dataset"],
    "New": ["value"],
    "NewAndInit": ["value"],
    "Positional": ["dataset"],
    "Unpacked": ["a", "lr", "name"],
    "FromElsewhere": [ANY],
    "FromElsewhereWithOwn": ["a"],
    "Concrete": ["item"],
    "Net": ["width"],
    "Kwargs": ["width"],
    "Data": ["a", "b", "c", "d", "seed", "f"],
    "MoreData": ["a", "b", "c", "d", "seed", "f", "g"],
    "Tuple": ["x", "y"],
    "Overloaded": ["a", "b"],
    "Decorated": ["a"],
    "Borrowed": ["root", "dataset"],
    "Nested.Inner": ["a"],
    "Circular": [],
    "function": ["c", "d", ANY],
    "wraps": ["x", "d", ANY],
    "part": ["c", "d", ANY],
    "made": ["in_features", "out_features", "bias", "device", "dtype"],
    "other": [ANY],
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_followed(package, name):
    package.put("classes.py", CLASSES)
    found = package.describe(f"classes:{name}")
    assert [*names(found), *([ANY] if found.open else [])] == ARGUMENTS[name]
    assert bool(found.notes) or not found.open


@pytest.mark.parametrize(
    ("target", "parameter", "default"),
    [
        ("Pops", "a", 4),
        ("Pops", "b", REQUIRED),
        ("Pops", "c", None),
        ("Method", "y", REQUIRED),
        ("Both", "both", REQUIRED),
        ("Data", "b", 0.5),
        ("MoreData", "b", 2.5),
        ("Data", "c", []),
        ("part", "d", 4),
        ("Unpacked", "lr", UNKNOWN),
    ],
)
def test_defaults_of_what_is_followed(package, target, parameter, default):
    package.put("classes.py", CLASSES)
    found = package.describe(f"classes:{target}").parameter(parameter).default
    assert found == default
    assert type(found) is type(default)


@pytest.mark.parametrize(("target", "slot"), [("HandsOn", "dataset"), ("Vague", "dataset"), ("Changes", None)])
def test_an_argument_handed_to_a_base_takes_its_slot(package, target, slot):
    package.put("classes.py", CLASSES)
    assert package.describe(f"classes:{target}").parameter("dataset").slot == slot


def test_an_argument_handed_to_a_base_takes_its_type(package):
    package.put("classes.py", CLASSES)
    found = package.describe("classes:HandsOn")
    assert found.parameter("size").schema == {"type": "integer"}
    assert found.parameter("renamed").schema == {}


def test_bases_are_those_of_the_mro(package):
    package.put("classes.py", CLASSES)
    assert package.describe("classes:Both").bases == tuple(
        f"classes:{name}" for name in ("Both", "Left", "Right", "Root")
    )
    assert package.describe("classes:Net").bases == ("classes:Net", "torch.nn.modules.module:Module")
    assert package.describe("classes:Concrete").bases[-1] == "torch.nn.modules.module:Module"


DEFAULTS = {
    "None": None,
    "True": True,
    "-1": -1,
    "1e-3": 1e-3,
    "1 / 3": 1 / 3,
    "'a' 'b'": "ab",
    "(0.9, 0.999)": (0.9, 0.999),
    "[1, [2]]": [1, [2]],
    "{'a': (1, 2)}": {"a": (1, 2)},
    "{1, 2}": {1, 2},
    "b'x'": b"x",
    "2j": 2j,
    "float('inf')": math.inf,
    "math.inf": math.inf,
    "dict(a=1)": {"a": 1},
    "tuple()": (),
    "CONSTANT": (1, 2),
    "OTHER": 3,
    "Holder.VALUE": "v",
    "10 ** 10 ** 10": UNKNOWN,
    "torch.float32": UNKNOWN,
    "...": UNKNOWN,
    "object()": UNKNOWN,
    "nowhere": UNKNOWN,
    "[0] * 10 ** 9": UNKNOWN,
    "LOOP": UNKNOWN,
}


@pytest.mark.parametrize("text", DEFAULTS)
def test_defaults_are_the_codes_own(package, text):
    package.put("constants.py", "OTHER = 1 + 2\n")
    package.put(
        "defaults.py",
        f"""
        import math
        import torch
        from constants import *
        CONSTANT = (1, 2)
        LOOP = LOOP + 1
        class Holder:
            VALUE = "v"
        def function(x={text}): ...
        """,
    )
    for _ in range(2):  # from the source, and as it comes back from the disk
        from runner.signature import cache

        cache.forget()
        found = package.describe("defaults:function").parameter("x")
        assert found.default == DEFAULTS[text]
        assert type(found.default) is type(DEFAULTS[text])
        assert found.default_text
