"""Each value's origin points at the text that holds it, whatever way it is written and wherever it came from."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml import scalarstring as styles
from ruamel.yaml.tokens import AnchorToken, ScalarToken, TagToken

from runner.config import compose
from runner.config.nodes import NodeList, NodeMap, Scalar, iterate, same
from runner.config.overrides import COMMAND_LINE
from runner.config.scalars import read_plain, write_scalar

REPOSITORY = Path(__file__).parents[2]
FILES = [
    file
    for folder in ("examples", "benchmarks", "tests/cases/valid", "tests/cases/invalid")
    for file in sorted((REPOSITORY / folder).rglob("*.yaml"))
]
NOTHING = object()


def tokens(text):
    """The values in a YAML text by the places where they begin; with a tag or an anchor, where that begins."""
    found = {}
    scanned = list(YAML(typ="safe", pure=True).scan(text))
    for before, token in pairwise([None, *scanned]):
        if isinstance(token, ScalarToken):
            place = token.start_mark.line + 1, token.start_mark.column + 1
            tag = before.value if isinstance(before, TagToken) else None
            found[place] = read_plain(token.value) if token.plain and tag is None else token.value
            if isinstance(before, TagToken | AnchorToken):
                found[before.start_mark.line + 1, before.start_mark.column + 1] = found[place]
    return found


class Texts:
    """What a reader finds who looks a place up."""

    def __init__(self, sources):
        self.sources = sources
        self.tokens = {}

    def at(self, mark):
        """The value that is written at a place; `NOTHING` where none is."""
        line = self.sources[mark.file].splitlines()[mark.line - 1 :][:1]
        cut = line[0][mark.column - 1 : mark.column - 1 + mark.width] if line else ""
        if mark.file.endswith(".json"):
            return json.loads(cut)
        if mark.file == COMMAND_LINE:
            return YAML(typ="safe", pure=True).load(cut)
        if mark.file not in self.tokens:
            self.tokens[mark.file] = tokens(self.sources[mark.file])
        held = self.tokens[mark.file].get((mark.line, mark.column), NOTHING)
        if cut.strip() and cut[0] not in "'\"|>&!*?" and cut == cut.strip() and held is not NOTHING:
            # A plain value that fits its line is just what is underlined.
            assert same(held, read_plain(cut)) or mark.width == 1, (mark, cut)
        return held


def holds(texts, mark, node):
    """Whether the text at a place is that of a value, or a `${…}` that leads to it."""
    held = texts.at(mark)
    if held is NOTHING:
        return node.value is None  # `key:` alone; where that is has a test of its own
    if same(held, node.value):
        return True
    if not (isinstance(held, str) and "${" in held):
        text = held if isinstance(held, str) else write_scalar(held)
        return node.source is not None and isinstance(node.value, str) and text in node.value  # a piece of it
    if mark.via is not None:
        return holds(texts, mark.via, node)
    return mark.kind == "environment" or held.replace("$${", "${") == node.value


def assert_origins(composition):
    texts = Texts(composition.sources)
    leaves = 0
    for path, node in iterate(composition.resolved):
        if not isinstance(node, Scalar) or node.unknown:
            continue
        mark = composition.marks.value_at(path)
        assert mark == node.mark
        assert holds(texts, mark, node), (path, node.value, mark, texts.at(mark))
        leaves += 1
    return leaves


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_every_value_of_the_files_that_we_ship(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    composition = compose(file.name)
    assert assert_origins(composition) > 0 or not composition.whole


STYLES = [
    str,
    styles.SingleQuotedScalarString,
    styles.DoubleQuotedScalarString,
    styles.LiteralScalarString,
    styles.FoldedScalarString,
]
letters = st.text("ab1 é\"'#:-{}[],&*!|>%@\n\t\\$~😀", max_size=12) | st.text("abc ", min_size=40, max_size=90)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-1000, 10**6)
    | st.floats(allow_nan=False)
    | st.builds(lambda style, text: style(text), st.sampled_from(STYLES), letters)
)
keys = st.text("abz-é: ", min_size=1, max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=15
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(config=st.dictionaries(keys, values, min_size=1, max_size=4), flow=st.booleans(), width=st.integers(20, 120))
def test_any_value_in_any_style(config, flow, width):
    yaml = YAML()
    yaml.default_flow_style = flow
    yaml.width = width
    stream = io.StringIO()
    yaml.dump(config, stream)
    composition = compose("cfg.yaml", text=stream.getvalue())
    if composition.whole and composition.data:
        assert_origins(composition)


@settings(max_examples=100, deadline=None)
@given(config=st.dictionaries(keys, values, min_size=1, max_size=4), indent=st.none() | st.integers(0, 4))
def test_any_value_in_json(config, indent):
    text = json.dumps(config, indent=indent)
    composition = compose("cfg.json", text=text.replace("${", "$${"))  # a literal, as a reference would be none here
    assert composition.data == json.loads(text) or composition.problems
    assert_origins(composition)


LAYERS = {
    "base.yaml": "vars: {rate: 0.1, name: 'it''s', steps: [1, 2]}\nlog: &log {level: INFO, every: 10}\nold: 1\n",
    "cfg.yaml": (
        "_base_: base.yaml\n"
        "more:\n  <<: &more {a: !!str 1, b: &b 2}\n  c: *b\nagain: *more\nnull_value:\n"
        "rate: ${vars.rate}\nsteps: ${vars.steps}\ntext: run-${vars.rate}-${vars.name}\nchain: ${rate}\n"
        "user: ${env:USER_OF_THE_TEST}\nother: ${env:NOT_SET,7}\nescaped: $${x}\n"
        "long: >-\n  folded\n  over lines\nplain: over\n  two lines\n"
    ),
}


def test_layers_references_and_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in LAYERS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    overrides = ["log.every=20", "new.list=[1, {x: 'a b'}]", 'quoted="c d"', "rate2=${vars.rate}", "old=text of words"]
    composition = compose("cfg.yaml", overrides=overrides, environ={"USER_OF_THE_TEST": "ann"})
    assert composition.problems == []
    assert assert_origins(composition) > 25
    marks = composition.marks
    assert marks.value_at(("vars", "rate")).file == "base.yaml"
    assert (marks.value_at(("log", "every")).file, marks.value_at(("log", "every")).line) == (COMMAND_LINE, 1)
    assert str(marks.value_at(("chain",)).via).startswith(("cfg.yaml:", "base.yaml:1"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\n\n# more\nb: 1\n", (1, 3)),
        ("x:\n  a:\nb: 1\n", (2, 5)),
        ("x: {a: , b: 1}\n", (1, 7)),
        ("a: !!null\nb: 1\n", (1, 4)),
        ("b: 1\na:", (2, 3)),
    ],
)
def test_a_value_that_is_left_empty_is_in_its_keys_line(text, place):
    composition = compose("cfg.yaml", text=text)
    (path,) = [path for path, _ in iterate(composition.resolved) if path and path[-1] == "a"]
    mark = composition.marks.value_at(path)
    assert (mark.line, mark.column) == place


def test_a_container_is_where_it_begins():
    text = "a:\n  b: [1, 2]\n  c: {d: 1}\n  e:\n    - 1\n"
    composition = compose("cfg.yaml", text=text)
    lines = text.splitlines()
    begins = {("a", "b"): "[", ("a", "c"): "{", ("a", "e"): "-"}
    for path, node in iterate(composition.resolved):
        if path in begins:
            assert isinstance(node, NodeMap | NodeList)
            mark = composition.marks.value_at(path)
            assert lines[mark.line - 1][mark.column - 1] == begins[path]
