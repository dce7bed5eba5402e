"""`_base_`: how files build on one another."""

from __future__ import annotations

import pytest

from runner.config import compose


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def codes(composition):
    return [problem.code for problem in composition.problems]


def test_mappings_merge_and_lists_replace(write):
    write(
        base="model: {type: A, width: 3, norm: {type: BN}}\nhooks: [1, 2]\nlog: info\n",
        configs__cfg="_base_: ../base.yaml\nmodel: {width: 4, norm: {eps: 1}}\nhooks: [3]\n",
    )
    composition = compose("configs/cfg.yaml")
    assert composition.problems == []
    assert composition.data == {
        "model": {"type": "A", "width": 4, "norm": {"type": "BN", "eps": 1}},
        "hooks": [3],
        "log": "info",
    }
    assert composition.raw == composition.data
    marks = composition.marks
    assert str(marks.value_at(("model", "type"))) == "base.yaml:1:15"
    assert str(marks.key_at(("model", "norm", "eps"))) == "configs/cfg.yaml:2:26"
    assert str(marks.key_at(("model",))) == "configs/cfg.yaml:2:1"
    assert marks.value_at(("log",)).file == "base.yaml"
    assert set(composition.sources) == {"base.yaml", "configs/cfg.yaml"}


def test_delete_replaces_a_mapping_whole(write):
    write(
        base="opt: {type: SGD, lr: 1, extra: {a: 1}}\nkeep: {a: 1}\n",
        cfg="_base_: base.yaml\nopt: {_delete_: true, type: Adam}\nkeep: {_delete_: false, b: 2}\n",
    )
    assert compose("cfg.yaml").data == {"opt": {"type": "Adam"}, "keep": {"a": 1, "b": 2}}


def test_a_chain_and_a_diamond(write):
    write(
        root="a: 1\nb: {x: 1}\n",
        left="_base_: root.yaml\nl: 1\n",
        right="_base_: root.yaml\nr: 1\n",
        cfg="_base_: [left.yaml, right.yaml]\nb: {y: 2}\n",
    )
    composition = compose("cfg.yaml")
    assert composition.problems == []
    assert composition.data == {"a": 1, "b": {"x": 1, "y": 2}, "l": 1, "r": 1}


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ("a: {b: 1}", "a: {c: 2, b: 3}", "a.b"),
        ("a: [1, 2]", "a: [1, 3]", "a"),
        ("a: {b: 1}", "a: 1", "a"),
        ("a: 1", "a: true", "a"),
    ],
)
def test_siblings_that_clash_show_both_places(write, first, second, path):
    write(one=first, two="# a comment\n" + second, cfg="_base_: [one.yaml, two.yaml]\n")
    (problem,) = compose("cfg.yaml").problems
    assert (problem.code, problem.path) == ("base-clash", path)
    assert str(problem.origin).startswith("two.yaml:2:")
    assert "one.yaml:1:" in problem.message


def test_siblings_may_agree(write):
    write(one="a: {b: [1, .nan]}\n", two="a: {b: [1, .nan], c: 2}\n", cfg="_base_: [one.yaml, two.yaml]\n")
    assert codes(compose("cfg.yaml")) == []


def test_cycles_are_problems(write):
    write(a="x: 1\n_base_: b.yaml\n", b="_base_: ./c.yaml\n", c="y: 2\n_base_: [a.yaml]\n")
    composition = compose("a.yaml")
    (problem,) = composition.problems
    assert problem.code == "base-cycle"
    assert str(problem.origin) == "c.yaml:2:10"
    assert "a.yaml -> b.yaml -> c.yaml -> a.yaml" in problem.message
    assert not composition.whole


@pytest.mark.parametrize(
    ("base", "code", "column"),
    [
        ("nothing.yaml", "base-not-found", 9),
        ("[ok.yaml, okk.yaml]", "base-not-found", 19),
        ("3", "bad-base", 9),
        ("[ok.yaml, {a: 1}]", "bad-base", 19),
        ("${vars.x}", "bad-base", 9),
        ("nobody::a.yaml", "base-not-found", 9),
        ("shop::missing.yaml", "base-not-found", 9),
        ("shop::../../secret.yaml", "bad-base", 9),
        ("list.yaml", "not-a-mapping", 1),
        ("broken.yaml", "yaml-syntax", 4),
    ],
)
def test_bases_that_cannot_be_read(write, tmp_path, base, code, column):
    write(ok="a: 1\n", list="- 1\n", broken="a: ]\n", shop__configs__x="b: 2\n", secret="c: 3\n")
    write(cfg=f"_base_: {base}\n")
    shop = tmp_path / "shop" / "configs"
    composition = compose("cfg.yaml", find_package=lambda name: shop if name == "shop" else None)
    assert [(problem.code, problem.origin.column) for problem in composition.problems] == [(code, column)]
    assert not composition.whole


def test_a_misspelt_base_is_suggested(write):
    write(schedule_1x="a: 1\n", cfg="_base_: schedule_1.yaml\n")
    (problem,) = compose("cfg.yaml").problems
    assert problem.suggestion == "schedule_1x.yaml"
    assert problem.path == "_base_"


def test_a_package_ships_bases(write, tmp_path):
    write(shop__models__a="_base_: ../common.yaml\nmodel: {type: A}\n", shop__common="log: 1\n")
    write(cfg="_base_: shop::models/a.yaml\n")
    composition = compose("cfg.yaml", find_package=lambda name: tmp_path / name)
    assert composition.problems == []
    assert composition.data == {"log": 1, "model": {"type": "A"}}
    assert composition.marks.value_at(("log",)).file == str(tmp_path / "shop" / "common.yaml")


def test_the_file_that_names_an_import_is_known(write):
    write(lib__base="custom_imports: {imports: [./model.py]}\n", cfg="_base_: lib/base.yaml\n")
    mark = compose("cfg.yaml").marks.value_at(("custom_imports", "imports", 0))
    assert mark.file == "lib/base.yaml"


def test_a_json_file_can_be_a_base_and_have_one(write, tmp_path):
    (tmp_path / "base.json").write_text('{"a": {"b": 1}}')
    (tmp_path / "cfg.json").write_text('{"_base_": "mid.yaml", "c": 3}')
    write(mid="_base_: base.json\na: {d: 2}\n")
    assert compose("cfg.json").data == {"a": {"b": 1, "d": 2}, "c": 3}


def test_mistakes_in_bases_are_all_found(write):
    write(one="a: 1\na: 2\n", two="b: !x 1\n", cfg="_base_: [one.yaml, two.yaml, three.yaml]\nc: ${d}\n")
    assert sorted(codes(compose("cfg.yaml"))) == ["base-not-found", "duplicate-key", "missing-variable", "unknown-tag"]
