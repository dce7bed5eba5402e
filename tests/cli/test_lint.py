"""`runner validate` over many files, and what it prints for programs that check a repository."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from runner.config import compose
from runner.errors import Location, Problem
from runner.validation import check, explain
from runner.validation.annotations import render_github
from runner.validation.report import Report
from runner.validation.sarif import render_sarif

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases"
SARIF = Draft202012Validator(json.loads((Path(__file__).parent / "sarif" / "sarif-2.1.0.json").read_text("utf-8")))

GOOD = "model: {type: SmallConvNet}\n"
BAD = "model:\n  type: SmallConvNet\n  widht: 3\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with configs, parts of configs, and other files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    texts = {
        "good.yaml": GOOD,
        "bad.yml": BAD,
        "child.yaml": "_base_: bad.yml\n",
        "below/a.json": '{"model": {"type": "SmallConvNet"}}',
        "below/typo.yaml": "modle: {type: SmallConvNet}\n",
        "below/broken.yaml": "model: [\n",
        "schedule.yaml": "train_cfg: {by_epoch: true, max_epochs: 3}\n",
        "other.yml": "services: {models: [1]}\n",
        "package.json": '{"name": "x"}',
        "notes.txt": "model: no\n",
        ".github/workflow.yaml": "model: hidden\n",
        "empty/list.yaml": "- 1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def files_of(done):
    return {problem["file"] for problem in json.loads(done.out)["problems"]}


@pytest.mark.parametrize(
    ("names", "checked", "wrong"),
    [
        (["."], 6, {"bad.yml", "below/broken.yaml", "below/typo.yaml"}),
        (["below", "good.yaml"], 4, {"below/broken.yaml", "below/typo.yaml"}),
        (["*.y*ml"], 3, {"bad.yml"}),
        (["**/*.yaml"], 4, {"bad.yml", "below/broken.yaml", "below/typo.yaml"}),
        (["good.yaml", "./good.yaml", "*.yaml"], 2, {"bad.yml"}),
        (["good.yaml", "other.yml"], 2, {"other.yml"}),
        (["good.yaml", "other.yml", "--skip-others"], 1, set()),
        (["gone.yaml", "--skip-others"], 1, {"gone.yaml"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_folders_and_patterns(cli, folder, names, checked, wrong):
    done = cli("validate", *names)
    assert done.code == bool(wrong)
    if names != ["gone.yaml", "--skip-others"]:
        assert re.search(rf"^{checked} configs? checked, ", done.out, re.MULTILINE), done.out
    assert files_of(cli("validate", *names, "--format", "json")) == wrong


def test_the_last_line_counts(cli, folder):
    assert cli("validate", ".").out.splitlines()[-1] == (
        "6 configs checked, 4 with problems: 3 errors; skipped 4 files that are no config"
    )
    assert cli("validate", "good.yaml", "below/a.json").out == "2 configs checked, no problems\n"
    assert cli("validate", "good.yaml").out == "good.yaml: no problems\n"


def test_skipped_files_are_named_on_demand(cli, folder):
    assert cli("validate", "*.y*ml").err == ""
    assert cli("validate", "*.y*ml", "-v").err.splitlines() == [
        "skipped: other.yml has neither model nor _base_ at its top",
        "skipped: schedule.yaml has neither model nor _base_ at its top",
    ]
    done = cli("validate", "other.yml", "schedule.yaml", "--skip-others")
    assert (done.code, done.out) == (0, "0 configs checked, no problems; skipped 2 files that are no config\n")


@pytest.mark.parametrize("name", ["empty", "nothing*.yaml"])
def test_where_there_is_no_config_nothing_was_checked(cli, folder, name):
    done = cli("validate", "good.yaml", name)
    assert (done.code, done.out) == (2, "")
    assert f"'{name}' holds no config" in " ".join(done.err.split())


def test_a_problem_of_a_base_is_shown_once(cli, folder):
    problems = json.loads(cli("validate", "bad.yml", "child.yaml", "--format", "json").out)["problems"]
    assert [(each["file"], each["path"]) for each in problems] == [("bad.yml", "model.widht")]


def test_github(cli, folder):
    done = cli("validate", "bad.yml", "-o", "model.dropot=1", "--format", "github")
    assert done.code == 1
    assert done.out.splitlines() == [
        "::error title=unknown-key,file=bad.yml,line=1::<command line>:1:7: model.dropot: no such key; did you mean 'dropout'?",
        "::error title=unknown-key,file=bad.yml,line=3,col=3,endColumn=8::model.widht: no such key; did you mean 'width'?",
    ]
    assert cli("validate", "good.yaml", "--format", "github").out == ""


def test_github_names_files_from_the_repository(cli, folder, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    monkeypatch.chdir(folder / "below")
    assert ",file=below/typo.yaml,line=1," in cli("validate", "typo.yaml", "--format", "github").out
    assert ",file=bad.yml,line=3," in cli("validate", "../bad.yml", "--format", "github").out


def odd_report(folder):
    origin = Location(file="50%,a:b/ü c.yaml", line=2, column=3, width=4)
    odd = Problem(code="odd", path="a", message="50% of\r\n::error::it", severity="warning", origin=origin)
    placeless = Problem(code="plugin-error", path="", message="it is broken")
    return [Report(config="cfg.yaml", problems=[odd, placeless], sources={})]


def test_github_escapes(folder):
    odd, placeless = render_github(odd_report(folder), folder).splitlines()
    assert odd == (
        "::warning title=odd,file=50%25%2Ca%3Ab/ü c.yaml,line=2,col=3,endColumn=7::a: 50%25 of%0D%0A::error::it"
    )
    assert placeless == "::error title=plugin-error,file=cfg.yaml,line=1::it is broken"


def sarif_of(cli, *names, code=1):
    done = cli("validate", *names, "--format", "sarif")
    assert done.code == code, done.err
    log = json.loads(done.out)
    assert not [f"{error.json_path}: {error.message}" for error in SARIF.iter_errors(log)]
    (run,) = log["runs"]
    return run


def test_the_schema_of_sarif_can_refuse():
    assert not SARIF.is_valid({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "reslts": []}]})


def test_sarif(cli, folder):
    run = sarif_of(cli, "bad.yml", "child.yaml", "good.yaml")
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": f"{folder.as_uri()}/"}}
    assert [each["location"]["uri"] for each in run["artifacts"]] == ["bad.yml", "child.yaml", "good.yaml"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["name"]) == ("unknown-key", "UnknownKey")
    assert rule["help"]["markdown"] == explain("unknown-key")
    (result,) = run["results"]
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("unknown-key", 0, "error")
    assert result["message"]["text"] == "model.widht: no such key; did you mean 'width'?"
    ((location,), (fix,)) = result["locations"], result["fixes"]
    region = {"startLine": 3, "startColumn": 3, "endLine": 3, "endColumn": 8}
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "bad.yml", "uriBaseId": "%SRCROOT%"},
        "region": {**region, "snippet": {"text": "widht"}},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "model.widht", "kind": "member"}]
    assert fix["artifactChanges"][0]["replacements"] == [
        {"deletedRegion": region, "insertedContent": {"text": "width"}}
    ]


def test_sarif_of_what_stands_in_no_file(cli, folder):
    assert sarif_of(cli, "good.yaml", code=0)["results"] == []
    (result,) = sarif_of(cli, "good.yaml", "-o", "model.widht=1")["results"]
    assert result["message"]["text"].startswith("<command line>:1:7: model.widht: ")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "good.yaml"
    assert "fixes" not in result


def test_sarif_of_odd_names_and_codes(folder):
    log = render_sarif(odd_report(folder), folder)
    assert SARIF.is_valid(log)
    odd, _ = log["runs"][0]["results"]
    uri = odd["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert unquote(uri) == "50%,a:b/ü c.yaml"
    assert log["runs"][0]["tool"]["driver"]["rules"][0]["help"] == {"text": "A plugin reports this."}


@pytest.mark.parametrize("case", sorted((CASES / "invalid").glob("*.yaml")), ids=lambda case: case.stem)
def test_sarifs_fixes_mend(cli, folder, case):
    shutil.copy(case, "case.yaml")
    text = Path("case.yaml").read_text()
    for result in sarif_of(cli, "case.yaml")["results"]:
        for fix in result.get("fixes", ()):
            ((replacement,),) = [change["replacements"] for change in fix["artifactChanges"]]
            region, lines = replacement["deletedRegion"], text.splitlines(keepends=True)
            line, start, end = region["startLine"] - 1, region["startColumn"] - 1, region["endColumn"] - 1
            lines[line] = lines[line][:start] + replacement["insertedContent"]["text"] + lines[line][end:]
            mended = {problem.path for problem in check(compose("case.yaml", text="".join(lines)))}
            assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] not in mended


def test_most_suggestions_are_fixes(cli, folder):
    shutil.copytree(CASES / "invalid", "cases")
    problems = json.loads(cli("validate", "cases", "--format", "json").out)["problems"]
    fixes = [result for result in sarif_of(cli, "cases")["results"] if "fixes" in result]
    assert len(fixes) > 0.8 * sum(1 for problem in problems if problem["suggestion"])


def test_output_to_a_file(cli, folder):
    printed = cli("validate", "bad.yml", "--format", "sarif").out
    done = cli("validate", "bad.yml", "--format", "sarif", "--out", "out.sarif")
    assert (done.code, done.out) == (1, "")
    assert Path("out.sarif").read_text() == printed


def test_hooks_for_pre_commit(cli, folder):
    hooks = YAML(typ="safe", pure=True).load(ROOT / ".pre-commit-hooks.yaml")
    assert [hook["id"] for hook in hooks] == ["runner-validate", "runner-format"]
    for hook in hooks:
        assert {"id", "name", "description", "entry", "language", "types_or"} == set(hook)
        assert hook["language"] == "system"
    program, *arguments = shlex.split(hooks[0]["entry"])
    assert program == "runner"
    assert cli(*arguments, "good.yaml", "other.yml", "package.json").code == 0
    done = cli(*arguments, "good.yaml", "bad.yml", "other.yml")
    assert done.code == 1
    assert "bad.yml:3:3: error[unknown-key]" in done.out
