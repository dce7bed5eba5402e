"""`runner format`: fields in order and indented alike, nothing lost, nothing meant otherwise."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from runner.cli.format import ORDER
from runner.config import compose
from runner.config.document import Origin, read_document
from runner.config.layout import CannotFormat, format_text
from runner.config.nodes import same
from runner.validation import fields

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    [
        *(ROOT / "examples").rglob("*.yaml"),
        *(ROOT / "tests" / "cases").rglob("*.yaml"),
        *(ROOT / "tests" / "cli" / "project").glob("*.yaml"),
    ]
)

BEFORE = """\
# A run on the digits.

train_cfg:      {by_epoch: true , max_epochs: 3}

# the net
model:
    # how wide
    width: 16       # not much
    type:  Net
    parts:
    - {size: [ 1,2 ], type: A}   # flow
    -   size: 3
        # which
        type: B

_base_: base.yaml
# names
vars: {a: &a 1}
"""
AFTER = """\
# A run on the digits.

_base_: base.yaml
# names
vars: {a: &a 1}

# the net
model:
  type: Net
  # how wide
  width: 16         # not much
  parts:
    - {type: A, size: [1, 2]}    # flow
    # which
    - type: B
      size: 3

train_cfg: {by_epoch: true, max_epochs: 3}
"""


def formatted(text):
    return format_text(text, ORDER)


def test_the_order_begins_with_what_others_lean_on():
    assert ORDER[:4] == ["_base_", "vars", "custom_imports", "model"]
    assert sorted(ORDER[1:]) == sorted(fields.names())


def test_all_at_once():
    assert formatted(BEFORE) == AFTER


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Order
        ("b: 1\nmodel: 2\na: 3\nvars: 4\n", "vars: 4\nmodel: 2\nb: 1\na: 3\n"),
        ("{train_cfg: 1, model: {a: 1, type: 2}}\n", "{model: {type: 2, a: 1}, train_cfg: 1}\n"),
        ("train_cfg: &x 1\nmodel: *x\n", "train_cfg: &x 1\nmodel: *x\n"),
        ("model: &x 1\ntrain_cfg: *x\nvars: &x 2\n", "model: &x 1\ntrain_cfg: *x\nvars: &x 2\n"),
        ("model: {_delete_: true, a: 1, type: X}\n", "model: {_delete_: true, type: X, a: 1}\n"),
        ("model:\n  <<: *x\n  a: 1\n  type: X\nvars: &x {b: 1}\n", None),
        ("vars: &x {b: 1}\nmodel:\n  <<: *x\n  a: 1\n  type: X\n", "vars: &x {b: 1}\nmodel:\n  <<: *x\n  type: X\n  a: 1\n"),
        ("model: {a: &t X, type: *t}\n", "model: {a: &t X, type: *t}\n"),
        ("model: {a: 1, # one\n  type: X}\n", "model: {a: 1, # one\n  type: X}\n"),
        ("model:\n  a: |+\n    x\n\n  type: X\n", "model:\n  a: |+\n    x\n\n  type: X\n"),
        # Comments
        ("# yaml-language-server: $schema=s.json\nmodel: 1\nvars: 2\n", "# yaml-language-server: $schema=s.json\nvars: 2\nmodel: 1\n"),
        ("# about b\nb: 1\nmodel: 2\n# end\n", "model: 2\n# about b\nb: 1\n# end\n"),
        ("b:\n  c: 1\n  # d: 2\nmodel: 3\n", "model: 3\nb:\n  c: 1\n  # d: 2\n"),
        ("b: 1\n\n# ---- Two ----\n\nval_cfg: 2\nmodel: 3\n", "b: 1\n\n# ---- Two ----\n\nmodel: 3\nval_cfg: 2\n"),
        ("b: 1\nc: 1\n\nmodel: 3\n", "model: 3\n\nb: 1\nc: 1\n"),
        ("val_cfg: 1\n\ntrain_cfg: 2\nmodel: 3\n", "model: 3\n\ntrain_cfg: 2\n\nval_cfg: 1\n"),
        ("b: 1\n\n# two\n\nmodel: 3\n", "# two\n\nmodel: 3\n\nb: 1\n"),
        # Indentation
        ("a:\n- b\n-   - c\n    - d\n", "a:\n  - b\n  - - c\n    - d\n"),
        ("a:\n      # x\n      b: 1\n      # y\n# z\n", "a:\n  # x\n  b: 1\n  # y\n# z\n"),
        ("a:\n- b\n# of c\n- c\n", "a:\n  - b\n  # of c\n  - c\n"),
        ("a:\n      b: |\n            x\n              y\n", "a:\n  b: |\n    x\n      y\n"),
        ("a:\n    b: |2\n        x\n", "a:\n  b: |2\n      x\n"),
        ("a:\n    b: [1,\n        2,\n    ]\n", "a:\n  b: [1,\n      2,\n  ]\n"),
        ("a:\n    b: &x\n        c: 1\n    d: !!str 5\n", "a:\n  b: &x\n    c: 1\n  d: !!str 5\n"),
        ('a:\n    b: "x\n\n      y"\n', 'a:\n  b: "x\n\n    y"\n'),
        # Spaces
        ("a :   1\nb: [ 1,2 , {c : 3} ]\n", "a: 1\nb: [1, 2, {c: 3}]\n"),
        ("a: {b: , c: [], *x : 1}\n", None),
        ('a: {"b":1}\n', 'a: {"b": 1}\n'),
        ("a:    1  # x\nbcd: 2   # y\n", "a: 1     # x\nbcd: 2   # y\n"),
        ("a:    1 # x\nbcd: 2     # y\n", "a: 1 # x\nbcd: 2     # y\n"),
        ("a:\n    b: 1  # x\n    cde: 1       # y\n", "a:\n  b: 1  # x\n  cde: 1         # y\n"),
        ("\n\na: 1   \n   \n\nb: 2\n\n\n", "a: 1\n\n\nb: 2\n"),
        ("a: 1", "a: 1\n"),
        ("--- # start\na:   1\n...\n", "--- # start\na: 1\n...\n"),
        # What was written stays
        ("a: 'x'\nb: \"y\"\nc: 010\nd: 1.50\ne: ~\nf: null\ng:\nh: 0x1F\ni: True\n", "a: 'x'\nb: \"y\"\nc: 010\nd: 1.50\ne: ~\nf: null\ng:\nh: 0x1F\ni: True\n"),
    ],
)  # fmt: skip
def test_layout(before, after):
    document = read_document(before, Origin("x"))
    if after is None:
        assert document.problems
    else:
        assert formatted(before) == after
        assert formatted(after) == after


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("? a\n: 1\n", "line 1 has a key that is written with '?'"),
        ("a: 1\rb: 2\n", "line breaks of several kinds"),
        ("a: |\n  x", "put a line break at its end"),
    ],
)
def test_some_forms_are_left_as_they_are(text, says):
    with pytest.raises(CannotFormat, match=re.escape(says)):
        formatted(text)


def comments(text):
    return sorted(re.findall(r"(?m)(?:^|\s)(#.*?)\s*$", text))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.parent.name}-{config.stem}")
def test_every_config_keeps_its_meaning_and_stays_formatted(config, monkeypatch):
    monkeypatch.setenv("CIFAR10_ROOT", "data")
    before = config.read_text(encoding="utf-8")
    if read_document(before, Origin("x")).problems:
        return
    after = formatted(before)
    assert formatted(after) == after
    assert comments(after) == comments(before)
    one, other = compose(config), compose(config, text=after)
    assert same(one.raw, other.raw)
    assert same(one.data, other.data)
    # However it is indented, it comes out the same, but for the columns of comments.
    deeper = re.sub(r"(?m)^( *)(- )?", lambda match: match[1] * 2 + (match[2] or "").ljust(4 * bool(match[2])), before)
    assert re.sub(" +#", " #", formatted(deeper)) == re.sub(" +#", " #", after)


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = {
        "late.yaml": "train_cfg: null\nmodel: {width: 3,  type: SmallConvNet}\n",
        "fine.yaml": "model: {type: SmallConvNet}\n",
        "part.yaml": "vars:   {a: 1}\n",
        "other.yaml": "x:   1\n",
        "data.json": '{"model":  1}',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


LATE = "model: {type: SmallConvNet, width: 3}\ntrain_cfg: null\n"


def test_in_place(cli, folder):
    Path("late.yaml").chmod(0o640)
    done = cli("format", "late.yaml", "fine.yaml")
    assert (done.code, done.out) == (0, "late.yaml: formatted\nfine.yaml: in order\n")
    assert Path("late.yaml").read_text() == LATE
    assert stat.S_IMODE(Path("late.yaml").stat().st_mode) == 0o640
    assert sorted(path.name for path in folder.iterdir()) == [
        "data.json",
        "fine.yaml",
        "late.yaml",
        "other.yaml",
        "part.yaml",
    ]
    assert cli("format", "late.yaml", "fine.yaml", "--check").code == 0


def test_a_folder_has_configs_and_their_parts(cli, folder):
    done = cli("format", ".", "--check")
    assert done.code == 1
    assert done.out == "fine.yaml: in order\nlate.yaml: would be formatted\npart.yaml: would be formatted\n"
    assert done.err == "data.json: left as it is: JSON is written by programs; YAML is formatted\n"
    assert Path("late.yaml").read_text() != LATE


def test_diff(cli, folder):
    done = cli("format", "late.yaml", "--diff")
    assert done.code == 0
    assert done.out.splitlines()[2:] == [
        "@@ -1,2 +1,2 @@",
        "+model: {type: SmallConvNet, width: 3}",
        " train_cfg: null",
        "-model: {width: 3,  type: SmallConvNet}",
    ]
    assert cli("format", "late.yaml", "--diff", "--check").code == 1
    assert Path("late.yaml").read_text() != LATE


def test_as_json(cli, folder):
    shown = json.loads(cli("format", "late.yaml", "fine.yaml", "data.json", "--format", "json").out)
    assert (shown["ok"], shown["problems"]) == (True, [])
    assert [(row["file"], row["changed"]) for row in shown["files"]] == [
        ("late.yaml", True),
        ("fine.yaml", False),
        ("data.json", False),
    ]
    assert "JSON" in shown["files"][2]["left_alone"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: [\n", "error[yaml-syntax]"),
        ("model:   1\nmodel: 2\n", "bad.yaml:2:1: error[duplicate-key]"),
        ("", "error[empty-config]"),
        ("- 1\n", "error[not-a-mapping]"),
        (None, "error[missing-file]"),
    ],
)
def test_what_is_wrong_is_left_alone_and_said(cli, folder, text, says):
    if text is not None:
        Path("bad.yaml").write_text(text)
    done = cli("format", "bad.yaml", "late.yaml")
    assert done.code == 1
    assert says in done.err
    assert done.out == "late.yaml: formatted\n"
    assert text is None or Path("bad.yaml").read_text() == text


def test_a_base_or_a_variable_need_not_be_there(cli, folder):
    Path("child.yaml").write_text("model: {width:  '${env:NOBODY_SETS_THIS}'}\n_base_: gone.yaml\n")
    assert cli("format", "child.yaml").out == "child.yaml: formatted\n"
    assert Path("child.yaml").read_text() == "_base_: gone.yaml\nmodel: {width: '${env:NOBODY_SETS_THIS}'}\n"


def test_line_breaks_marks_and_links_stay(cli, folder):
    Path("windows.yaml").write_bytes("\ufeffmodel:\r\n    a:   ü\r\n".encode())
    Path("link.yaml").symlink_to("windows.yaml")
    assert cli("format", "link.yaml").code == 0
    assert Path("link.yaml").is_symlink()
    assert Path("windows.yaml").read_bytes() == "\ufeffmodel:\r\n  a: ü\r\n".encode()


def test_a_file_that_can_not_be_written_stays_whole(cli, folder, monkeypatch):
    before = Path("late.yaml").read_text()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    assert cli("format", "late.yaml").code == 3
    assert Path("late.yaml").read_text() == before
    assert not list(folder.glob(".late*"))
