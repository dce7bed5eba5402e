"""`Config`: reading, changing, and writing it again."""

from __future__ import annotations

import copy
import io
import json
import math
import pickle
import subprocess
import sys
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config import Config, ConfigDict, compose
from runner.config.nodes import same
from runner.errors import ConfigError

TEXT = """\
vars: {root: /data, token: '${env:TOKEN}', opt: {lr: 0.1}}
optim_wrapper:
  type: OptimWrapper
  optimizer: {type: SGD, lr: 0.1}
hooks:
  - type: A
  - {type: B, path: '${vars.root}/b'}
path: ${vars.root}/x
copy: ${vars.opt}
header: Bearer ${vars.token}
literal: $${x}
"""


@pytest.fixture
def cfg(monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret")
    return Config.fromstring(TEXT)


def here() -> int:
    return sys._getframe(1).f_lineno


def test_it_reads_as_mmengines_does(tmp_path):
    path = tmp_path / "cfg.yaml"
    path.write_text("work_dir: out\noptim_wrapper: {type: OptimWrapper}\nhooks: [{type: A}]\n")
    cfg = Config.fromfile(path)
    assert cfg.optim_wrapper.type == cfg["optim_wrapper"]["type"] == "OptimWrapper"
    assert cfg.hooks[0].type == "A"
    assert cfg.get("work_dir", None) == "out"
    assert cfg.get("load_from") is None
    assert "runner_type" not in cfg
    assert "work_dir" in cfg
    assert list(cfg) == ["work_dir", "optim_wrapper", "hooks"]
    assert cfg.filename == str(path)
    assert cfg.text == path.read_text()
    assert cfg.pretty_text == cfg.dump()
    assert isinstance(cfg.optim_wrapper, dict)
    assert {**cfg.optim_wrapper} == {"type": "OptimWrapper"}
    assert json.loads(json.dumps(cfg.to_dict())) == cfg
    assert cfg.pop("work_dir") == "out"
    assert cfg.setdefault("work_dir", "new") == "new"
    del cfg.hooks
    assert set(cfg) == {"optim_wrapper", "work_dir"}


def test_a_missing_attribute_names_the_one_meant(cfg):
    with pytest.raises(AttributeError, match="did you mean 'optim_wrapper'"):
        _ = cfg.optim_wraper
    with pytest.raises(AttributeError, match="no key 'typ'; did you mean 'type'"):
        _ = cfg.optim_wrapper.typ
    with pytest.raises(AttributeError):
        del cfg.optim_wrapper.nothing
    with pytest.raises(KeyError):
        _ = cfg["nothing"]
    assert not hasattr(cfg, "__array__")


def test_bad_configs_raise_all_problems():
    with pytest.raises(ConfigError) as caught:
        Config.fromstring("a: 1\na: 2\nb: ${c}\n")
    assert [problem.code for problem in caught.value.problems] == ["duplicate-key", "missing-variable"]
    with pytest.raises(ConfigError, match="there is no file"):
        Config.fromfile("/nowhere/cfg.yaml")


def test_fromfile_takes_overrides(tmp_path):
    path = tmp_path / "cfg.yaml"
    path.write_text("a: {b: 1, c: 2}\n")
    assert Config.fromfile(path, overrides=["a.b=3"], unset=["a.c"]) == {"a": {"b": 3}}


def test_fromstring_takes_json():
    assert Config.fromstring('{"a": "x"}', ".json") == {"a": "x"}
    assert Config.fromstring('{"a": "x"}', file_format="json") == {"a": "x"}


def test_each_value_knows_its_origin(cfg):
    assert str(cfg.origin("optim_wrapper.optimizer.lr")) == "<string>:4:30"
    assert cfg.origin("hooks.1.path").via is not None
    assert cfg.origin("header").kind == "environment"
    assert cfg.origin("nothing.there") is None


def test_an_assignment_has_the_code_as_its_origin(cfg):
    cfg.work_dir = "out"
    line = here() - 1
    cfg["optim_wrapper"]["optimizer"]["lr"] = 0.2
    cfg.optim_wrapper.update(type="AmpOptimWrapper", clip_grad={"max_norm": 1})
    cfg.hooks[0].interval = 5
    cfg.hooks.append({"type": "C", "size": (1, 2)})
    cfg.update({"seed": 3})
    for path, offset in {
        "work_dir": 0,
        "optim_wrapper.optimizer.lr": 2,
        "optim_wrapper.type": 3,
        "optim_wrapper.clip_grad.max_norm": 3,
        "hooks.0.interval": 4,
        "seed": 6,
    }.items():
        origin = cfg.origin(path)
        assert (origin.file, origin.line, origin.kind) == (__file__, line + offset, "code"), path
    # A list does not know who appended to it: the list's place stands for its new items.
    assert (cfg.origin("hooks.2.type").kind, cfg.origin("hooks.2.type").line) == ("code", 6)
    assert cfg.origin("hooks.0.type").kind == "file"
    assert cfg.composition.problems == []
    assert cfg.composition.data == cfg.to_dict()
    assert Config.fromstring(cfg.dump()) == cfg


def test_values_become_plain(cfg):
    cfg.a = {"path": PurePosixPath("/x"), "size": (1, 2), "n": np.float64(0.5), "k": np.int64(3), "b": np.bool_(True)}
    assert cfg.a == {"path": "/x", "size": [1, 2], "n": 0.5, "k": 3, "b": True}
    assert isinstance(cfg.a, ConfigDict)
    assert [type(value) for value in cfg.a.values()] == [str, list, float, int, bool]
    assert Config.fromstring(cfg.dump()) == cfg


def test_a_value_that_is_no_data_is_named_when_written(cfg):
    cfg.model = {"backbone": [object()]}
    with pytest.raises(ConfigError, match=r"model\.backbone\.0: a object cannot be written") as caught:
        cfg.dump()
    assert caught.value.problems[0].origin.file == __file__


def test_text_that_code_sets_is_taken_literally(cfg):
    cfg.name = "${vars.root} and $${x}"
    again = Config.fromstring(cfg.dump())
    assert again.name == cfg.name == "${vars.root} and $${x}"


def test_keys_are_texts(cfg):
    with pytest.raises(TypeError, match="keys are texts"):
        cfg[3] = 1
    with pytest.raises(AttributeError):
        cfg.filename = "x"


def test_a_dump_keeps_references_and_no_secret(cfg):
    text = cfg.dump()
    assert "s3cret" not in text + repr(cfg) + repr(cfg.vars) + str(cfg.hooks) + repr(cfg.composition)
    assert "path: ${vars.root}/x" in text
    assert "header: Bearer ${vars.token}" in text
    assert cfg.header == "Bearer s3cret"
    again = Config.fromstring(text)
    assert again == cfg
    assert again.dump() == text


def test_a_dump_is_right_after_what_it_refers_to_was_changed(cfg, monkeypatch):
    cfg.vars.root = "/new"
    cfg.vars.token = "mine"
    cfg["copy"].momentum = 0.9
    text = cfg.dump()
    assert "s3cret" not in text
    assert "header: Bearer ${env:TOKEN}" in text
    again = Config.fromstring(text)
    assert again == cfg
    assert again.path == "/data/x"
    assert again["copy"] == {"lr": 0.1, "momentum": 0.9}
    # The values are those of the environment in which it was read.
    monkeypatch.setenv("TOKEN", "other")
    assert cfg.composition.data == cfg.to_dict()


def test_what_people_are_shown_holds_no_secret(cfg):
    cfg.merge_from_dict({"vars.extra": "${env:NOT_SET,5}", "optim_wrapper.keys": {"a.b": {"lr": 1}}})
    assert cfg.shown("header") == "Bearer ${env:TOKEN} (set)"
    assert cfg.shown("vars") == {
        "root": "/data",
        "token": "${env:TOKEN} (set)",
        "opt": {"lr": 0.1},
        "extra": "${env:NOT_SET,5} (default)",
    }
    assert cfg.shown()["path"] == "/data/x"
    assert cfg.shown("hooks.1") == {"type": "B", "path": "/data/b"}
    assert cfg.shown("optim_wrapper.keys.a.b.lr") == 1
    assert cfg.origin("optim_wrapper.keys.a.b.lr").kind == "code"
    assert cfg.dump_part("hooks.1") == "type: B\npath: /data/b\n"
    assert cfg.dump_part("hooks") == "- type: A\n- type: B\n  path: /data/b\n"
    assert cfg.dump_part("vars.token") == "${env:TOKEN} (set)\n"
    assert "s3cret" not in cfg.dump_part()


@pytest.mark.parametrize(
    ("path", "suggestion"), [("optim_wraper", "optim_wrapper"), ("hooks.7", None), ("path.x", None), ("a..b", None)]
)
def test_a_part_that_is_not_there_is_not_shown(cfg, path, suggestion):
    with pytest.raises(ConfigError) as caught:
        cfg.shown(path)
    assert [(problem.code, problem.suggestion) for problem in caught.value.problems] == [("unknown-key", suggestion)]
    assert cfg.origin(path) is None


def test_dump_writes_files(cfg, tmp_path):
    text = cfg.dump(tmp_path / "out.yaml")
    assert (tmp_path / "out.yaml").read_text(encoding="utf-8") == text
    stream = io.StringIO()
    cfg.dump(stream)
    assert stream.getvalue() == text
    with pytest.raises(ValueError, match=r"name that ends in \.yaml"):
        cfg.dump(tmp_path / "out.json")


def test_a_dump_is_pleasant_to_read():
    cfg = Config(
        {
            "a": {
                "b": [1, 2],
                "c": [],
                "d": {},
                "e": None,
                "f": "a b",
                "g": "1",
                "h": "yes",
                "i": "x: y",
                "j": 1e-5,
                "k": "",
                "l": "a\nb",
            },
            "m": [{"n": 1, "o": [[1, 2], [3]]}, "p"],
        }
    )
    assert cfg.dump() == (
        "a:\n  b: [1, 2]\n  c: []\n  d: {}\n  e: null\n  f: a b\n"
        '  g: "1"\n  h: yes\n  i: "x: y"\n  j: 1e-05\n  k: ""\n  l: "a\\nb"\n'
        "m:\n  - n: 1\n    o:\n      - [1, 2]\n      - [3]\n  - p\n"
    )


def test_merge_from_dict_acts_as_one_more_file(cfg):
    cfg.merge_from_dict(
        {
            "vars.root": "/new",
            "optim_wrapper.optimizer": {"lr": 0.5},
            "hooks.0.type": "Z",
            "extra.deep": "${vars.opt.lr}",
            "vars.opt": {"_delete_": True, "lr": 9},
        }
    )
    line = here() - 9
    assert cfg.path == "/new/x"
    assert cfg.optim_wrapper.optimizer == {"type": "SGD", "lr": 0.5}
    assert cfg.hooks[0].type == "Z"
    assert cfg.extra.deep == 9
    assert cfg["copy"] == {"lr": 9}
    assert (cfg.origin("hooks.0.type").kind, cfg.origin("hooks.0.type").line) == ("code", line)
    assert Config.fromstring(cfg.dump()) == cfg


@pytest.mark.parametrize("options", [{"hooks.9.type": 1}, {"path.x": 1}, {"a..b": 1}, {"a": "${nope}"}])
def test_merge_from_dict_refuses_what_does_not_fit(cfg, options):
    before = cfg.to_dict()
    with pytest.raises(ConfigError):
        cfg.merge_from_dict(options)
    assert cfg.to_dict() == before


def test_merge_from_dict_can_leave_lists_alone(cfg):
    with pytest.raises(ConfigError, match="allow_list_keys"):
        cfg.merge_from_dict({"hooks.0.type": 1}, allow_list_keys=False)


def test_copies_are_independent(cfg):
    cfg.seed = 1
    deep, shallow, pickled = copy.deepcopy(cfg), copy.copy(cfg), pickle.loads(pickle.dumps(cfg))
    assert deep == shallow == pickled == cfg
    assert pickled.dump() == deep.dump() == cfg.dump()
    for other in (deep, pickled):
        other.optim_wrapper.optimizer.lr = 7
        other.hooks[0].type = "Q"
        assert other.origin("seed") == cfg.origin("seed")
        assert other.origin("hooks.1.path") == cfg.origin("hooks.1.path")
    assert cfg.optim_wrapper.optimizer.lr == 0.1
    shallow.other = 1
    assert "other" not in cfg
    assert pickle.loads(pickle.dumps(cfg.optim_wrapper)) == cfg.optim_wrapper
    assert cfg.optim_wrapper.copy() == cfg.optim_wrapper


def test_what_is_moved_keeps_its_origin(cfg):
    cfg.second = cfg.optim_wrapper
    cfg.hooks.insert(0, {"type": "New"})
    assert cfg.composition.marks.key_at(("second",)).kind == "code"
    assert cfg.origin("second.optimizer.lr").kind == "file"
    assert cfg.origin("hooks.2.path").line == 7
    assert Config.fromstring(cfg.dump()) == cfg


def test_a_config_of_a_dict_resolves_references():
    cfg = Config({"vars": {"a": 3}, "b": "${vars.a}"})
    assert cfg.b == 3
    assert (cfg.origin("b").file, cfg.origin("b").kind) == (__file__, "code")
    assert Config(cfg) == cfg
    assert Config() == {}
    with pytest.raises(ConfigError):
        Config({"b": "${nope}"})


def test_equality_and_hash(cfg):
    assert cfg != Config()
    assert cfg != 3
    with pytest.raises(TypeError):
        hash(cfg)


def test_the_import_is_light():
    code = (
        "import sys, runner.config; print([m for m in ('torch', 'numpy', 'ruamel', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        "${vars.a}",
        "$${",
        "${",
        "null",
        "1e3",
        "- a",
        "a: b",
        " #x",
        "...",
        "---",
        "<<",
        "_x",
        "a\nb",
        "'",
        '"',
        "\ufeff",
    ]
)
scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=True) | texts
keys = texts.filter(lambda key: key not in {"_base_", "_delete_"})
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


def escaped(value):
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    return value


@given(data=st.dictionaries(keys, values, min_size=1, max_size=5), change=st.dictionaries(keys, values, max_size=2))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_dumped_loads_back_equal(data, change):
    data = {"one": {"two": ["x", 3]}, **data, "ref": "${one.two}", "text": "${one.two.0}-${one.two.1}"}
    literal = {key: value if key in {"ref", "text"} else escaped(value) for key, value in data.items()}
    if not isinstance(data["one"], dict) or data["one"].get("two") != ["x", 3]:
        return
    cfg = Config(literal)
    assert same(
        {key: value for key, value in cfg.to_dict().items() if key not in {"ref", "text"}},
        {key: value for key, value in data.items() if key not in {"ref", "text"}},
    )
    assert same(Config.fromstring(cfg.dump()).to_dict(), cfg.to_dict())
    cfg.one.two[0] = "changed"
    cfg.update(change)
    again = compose("<dump>", text=cfg.dump())
    assert again.problems == []
    assert same(again.data, cfg.to_dict())


def test_not_a_number_is_written():
    assert math.isnan(Config.fromstring(Config({"a": math.nan}).dump()).a)


def test_a_long_key_is_written():
    cfg = Config({"k" * 5000: {"x": [1]}, "b": [{"é" * 900: {"c": 1}, "d": 2}]})
    assert Config.fromstring(cfg.dump()) == cfg
