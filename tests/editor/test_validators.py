"""Other people's validators accept the schema that `runner schema` writes, and agree with `runner validate`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from runner.cli.app import run
from runner.config import compose
from runner.plugin import default_plugins
from runner.validation import check

ROOT = Path(__file__).parents[2]
OWN_CODE = ROOT / "examples" / "custom_model" / "cfg.yaml"
WITH_OWN_CODE = sorted(file for file in ROOT.glob("examples/*/*.yaml") if "custom_imports" in compose(file).data)
EXAMPLES = sorted(set(ROOT.glob("examples/*/*.yaml")) - set(WITH_OWN_CODE))
CASES = sorted(ROOT.glob("tests/cases/*/*.yaml"))

SAYABLE = {
    "bad-delete",
    "injected-argument",
    "missing-base-batch-size",
    "missing-key",
    "not-allowed",
    "not-built-together",
    "out-of-range",
    "scheduler-without-optimizer",
    "type-and-by-epoch",
    "unknown-key",
    "unknown-type",
    "wrong-type",
}
"""What a schema can say of a file. Everything else needs more than the file as it stands: the text (two keys of one
name), the composed config (a reference to nothing, a value that came from elsewhere), what components do (a schedule that
is longer than the run, a metric that nobody yields), or the machine."""


def sayable(problem):
    """Whether a schema can say it: the mistake stands in the file, where it is used."""
    return problem.code in SAYABLE and problem.severity == "error" and problem.origin.via is None


def refused_by_validate(file):
    """Whether `runner validate` refuses a file for something that a schema can say."""
    problems = check(compose(file, find_package=default_plugins().bases))
    return any(map(sayable, problems))


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    assert run(["schema", "--out", str(file)]) == 0
    return file


def check_jsonschema(schema, *files):
    """What check-jsonschema refuses of some files."""
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--output-format", "json", "--schemafile", schema, *files],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = json.loads(done.stdout)
    refused = {Path(each["filename"]) for each in [*found.get("errors", ()), *found.get("parse_errors", ())]}
    assert bool(refused) == (done.returncode == 1)
    return refused


def jsonschema_cli(schema, folder, *files):
    """What `python -m jsonschema` refuses of some files, which it takes as JSON."""
    instances = {}
    for number, file in enumerate(files):
        instance = folder / f"{number}.json"
        instance.write_text(json.dumps(YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))))
        instances[str(instance)] = file
    asked = [part for instance in instances for part in ("-i", instance)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "jsonschema", "--output", "pretty", *asked, str(schema)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    accepted = {instances[name] for name in re.findall(r"===\[SUCCESS\]===\((.*?)\)===", done.stdout)}
    refused = {instances[name] for name in re.findall(r"===\[ValidationError\]===\((.*?)\)===", done.stderr)}
    assert accepted | refused == set(files), done.stdout + done.stderr
    assert not accepted & refused
    return refused


def test_check_jsonschema_takes_it_for_a_schema(schema):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--check-metaschema", schema],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_jsonschema_agrees(schema):
    refused = check_jsonschema(schema, *EXAMPLES, *CASES)
    expected = {file for file in CASES if refused_by_validate(file)}
    assert len(expected) > 10
    # A file that is no YAML is refused by both, before a schema sees it.
    unreadable = {file for file in CASES if not _loads(file)}
    assert refused == expected | unreadable


def test_the_jsonschema_command_line_agrees(schema, tmp_path):
    files = [*EXAMPLES, *filter(_loads, CASES)]
    assert jsonschema_cli(schema, tmp_path, *files) == {file for file in files if refused_by_validate(file)}


def test_with_components_of_ones_own(tmp_path):
    own = tmp_path / "own.json"
    assert run(["schema", "--for", str(OWN_CODE), "--out", str(own)]) == 0
    wrong = tmp_path / "cfg.yaml"
    wrong.write_text(OWN_CODE.read_text().replace("blocks: 2", "block: 2"))
    assert check_jsonschema(own, OWN_CODE, wrong) == {wrong}


@pytest.mark.parametrize("example", WITH_OWN_CODE, ids=lambda file: file.stem)
def test_an_example_with_code_of_its_own_agrees_with_the_schema_that_is_made_for_it(example, tmp_path):
    assert run(["schema", "--for", str(example), "--out", str(tmp_path / "own.json")]) == 0
    assert check_jsonschema(tmp_path / "own.json", example) == set()


def test_what_no_schema_can_say_is_the_smaller_part(record_property):
    invalid = [file for file in CASES if file.parent.name == "invalid"]
    beyond = [file.stem for file in invalid if _loads(file) and not refused_by_validate(file)]
    record_property("beyond a schema", ", ".join(beyond))
    assert "from-another-place" in beyond
    assert len(beyond) < len(invalid) / 2


def _loads(file):
    try:
        YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except YAMLError:
        return False
    return True
