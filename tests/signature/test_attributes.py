"""Literal class attributes, read from the source along the MRO."""

from __future__ import annotations

import pytest

from runner.errors import SignatureError
from runner.signature import UNKNOWN
from runner.signature.attributes import Attribute, class_attributes

SOURCE = """
from somewhere_else import Foreign

NAMES = ("a", "b")

class Base:
    names: tuple[str, ...] = NAMES
    count = 2 + 1
    unset: int

    def method(self):
        return 1

class Derived(Base):
    names = [*NAMES]
    label = "x"

class Plain(Base):
    pass

class OfAForeigner(Foreign):
    label = "own"
"""


@pytest.fixture
def attributes(tmp_path):
    (tmp_path / "attributed.py").write_text(SOURCE)

    def attributes(target, *names):
        return dict(class_attributes(f"attributed:{target}", names, paths=[tmp_path]))

    return attributes


def test_a_class_and_its_bases(attributes):
    assert attributes("Base", "names", "count") == {
        "names": Attribute(value=("a", "b"), depth=0),
        "count": Attribute(value=3, depth=0),
    }
    assert attributes("Plain", "names") == {"names": Attribute(value=("a", "b"), depth=1)}
    assert attributes("Derived", "label", "count") == {
        "label": Attribute(value="x", depth=0),
        "count": Attribute(value=3, depth=1),
    }


def test_what_is_no_literal_is_unknown(attributes):
    assert attributes("Derived", "names", "method") == {
        "names": Attribute(value=UNKNOWN, depth=0),
        "method": Attribute(value=UNKNOWN, depth=1),
    }


def test_an_annotation_alone_binds_nothing(attributes):
    assert attributes("Base", "unset", "absent") == {}


def test_behind_a_base_that_is_not_there_nothing_is_known(attributes):
    assert attributes("OfAForeigner", "label", "names") == {
        "label": Attribute(value="own", depth=0),
        "names": Attribute(value=UNKNOWN, depth=1),
    }


def test_a_class_of_this_process_says_the_same(attributes):
    namespace = {}
    exec(SOURCE.replace("from somewhere_else import Foreign", "Foreign = object"), namespace)
    assert class_attributes(namespace["Plain"], ["names", "method"]) == {
        "names": Attribute(value=("a", "b"), depth=1),
        "method": Attribute(value=UNKNOWN, depth=1),
    }


def test_it_follows_a_change(attributes, tmp_path):
    assert attributes("Derived", "label")["label"].value == "x"
    (tmp_path / "attributed.py").write_text(SOURCE.replace('"x"', '"longer"'))
    assert attributes("Derived", "label")["label"].value == "longer"


def test_no_such_class(attributes):
    with pytest.raises(SignatureError, match="no such class"):
        attributes("Nobody", "names")
