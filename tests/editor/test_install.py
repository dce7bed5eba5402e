"""`runner schema --install`: what it writes, what it leaves alone, and when the schema is written anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from runner.config import compose
from runner.editor import install, refresh, workspace
from runner.editor.fingerprint import fingerprint, written
from runner.editor.modeline import schema_in, with_modeline
from runner.editor.settings import with_schema
from runner.errors import RunnerError
from runner.plugin import Entry, default_plugins

ROOT = Path(__file__).parents[2]
MODEL = "model: {type: SmallConvNet}\n"
LINE = "# yaml-language-server: $schema=.runner/schema.json\n"
SHARED = "./.runner/schema.json"


def kinds(done):
    return [(written.what, written.changed) for written in done]


class TestModeline:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (MODEL, LINE + MODEL),
            ("", LINE),
            (f"# about\n{MODEL}", f"{LINE}# about\n{MODEL}"),
            (f"\ufeff{MODEL}", f"\ufeff{LINE}{MODEL}"),
            ("a: 1\r\nb: 2\r\n", LINE.replace("\n", "\r\n") + "a: 1\r\nb: 2\r\n"),
            (f"---\n{MODEL}", f"{LINE}---\n{MODEL}"),
            (f"# about\n# yaml-language-server: $schema=old.json\n{MODEL}", f"# about\n{LINE}{MODEL}"),
            (f"#yaml-language-server:$schema=old.json\n{MODEL}", LINE + MODEL),
            (LINE + MODEL, LINE + MODEL),
        ],
    )
    def test_it_is_put_first_or_in_the_old_ones_place(self, before, after):
        assert with_modeline(before, ".runner/schema.json") == after
        assert with_modeline(after, ".runner/schema.json") == after
        assert schema_in(after) == ".runner/schema.json"

    def test_a_config_without_one(self):
        assert schema_in(f"# about\n{MODEL}") is None


class TestSettings:
    def change(self, text, patterns=("configs/**/*.yaml",)):
        return with_schema(text, SHARED, patterns, Path("settings.json"))

    def test_there_are_none_yet(self):
        assert json.loads(self.change("")) == {"yaml.schemas": {SHARED: ["configs/**/*.yaml"]}}

    def test_what_is_there_stays(self):
        before = '{\n  "editor.rulers": [120],\n  "yaml.schemas": {"x.json": "a.yaml"},\n  "yaml.hover": true\n}\n'
        after = self.change(before)
        assert list(json.loads(after)) == ["editor.rulers", "yaml.schemas", "yaml.hover"]
        assert json.loads(after)["yaml.schemas"] == {"x.json": "a.yaml", SHARED: ["configs/**/*.yaml"]}
        assert '\n  "editor.rulers"' in after

    @pytest.mark.parametrize("there", ["more/*.yaml", ["more/*.yaml"]])
    def test_patterns_join_those_that_are_there(self, there):
        after = self.change(json.dumps({"yaml.schemas": {SHARED: there}}))
        assert json.loads(after)["yaml.schemas"][SHARED] == ["more/*.yaml", "configs/**/*.yaml"]

    def test_nothing_is_written_where_nothing_changes(self):
        text = f'{{"yaml.schemas":{{"{SHARED}":["configs/**/*.yaml","x"]}}}}'
        assert self.change(text) == text

    @pytest.mark.parametrize("text", ['{\n  // mine\n  "a": 1\n}', '{"a": 1,}', "[]", '{"yaml.schemas": []}'])
    def test_what_would_be_lost_is_left_alone(self, text):
        with pytest.raises(RunnerError, match="left as it is; write this into it by hand") as caught:
            self.change(text)
        assert f'"{SHARED}": [' in str(caught.value)


class TestInstall:
    def test_for_a_config(self, workspace):
        config = workspace / "configs" / "cfg.yaml"
        config.parent.mkdir()
        config.write_text(MODEL)
        assert kinds(install(config)) == [("schema", True), ("modeline", True)]
        assert config.read_text() == LINE.replace("=", "=../") + MODEL
        schema = json.loads((workspace / ".runner" / "schema.json").read_text())
        assert schema["$comment"].startswith("written by `runner schema --install`")
        assert Draft202012Validator(schema).is_valid({"model": {"type": "SmallConvNet"}})
        assert (workspace / ".runner" / ".gitignore").read_text() == "*\n"
        assert kinds(install(config)) == [("schema", False), ("modeline", False)]

    def test_for_a_folder(self, workspace):
        for name in ("configs/a.yaml", "configs/deep/b.yml", "work_dirs/run/config.yaml", "top.yaml"):
            file = workspace / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(MODEL)
        (workspace / "compose.yaml").write_text("services: {}\n")
        assert kinds(install(workspace)) == [("schema", True), ("settings", True)]
        settings = json.loads((workspace / ".vscode" / "settings.json").read_text())
        assert settings["yaml.schemas"] == {SHARED: ["configs/**/*.yaml", "configs/**/*.yml", "top.yaml"]}
        assert kinds(install(workspace / "configs")) == [("schema", False), ("settings", False)]

    def test_a_config_with_code_of_its_own_gets_a_schema_of_its_own(self, workspace, cli):
        (workspace / "own").mkdir()
        for name in ("cfg.yaml", "model.py", "layers.py"):
            (workspace / "own" / name).write_text((ROOT / "examples" / "custom_model" / name).read_text())
        done = install(workspace)
        assert kinds(done) == [("schema", True), ("schema", True), ("modeline", True)]
        own = workspace / ".runner" / "own" / "cfg.schema.json"
        assert schema_in((workspace / "own" / "cfg.yaml").read_text()) == "../.runner/own/cfg.schema.json"
        assert "local.ResidualNet" in own.read_text()
        assert "local.ResidualNet" not in (workspace / ".runner" / "schema.json").read_text()

    def test_a_config_that_is_wrong_can_be_edited_too(self, workspace):
        (workspace / "cfg.yaml").write_text("model: {type: [\n")
        assert kinds(install(workspace / "cfg.yaml")) == [("schema", True), ("modeline", True)]

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("nowhere.yaml", "there is no file nowhere.yaml"),
            ("cfg.json", "only YAML has comments"),
            ("empty", "no YAML file in it or below is a config"),
            ("a=1", "'a=1' is no file"),
        ],
    )
    def test_what_it_can_not_be_installed_for(self, workspace, cli, name, says):
        (workspace / "cfg.json").write_text('{"model": {"type": "SmallConvNet"}}')
        (workspace / "empty").mkdir()
        code, out, err = cli("schema", "--install", name)
        assert (code, out) == (2, "")
        assert says in " ".join(err.split())
        assert not (workspace / ".runner").exists()

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["cfg.yaml"], "files and folders go with --install"),
            (["--install", "--out", "x.json"], "leave out --out and --for"),
            (["--install", "--for", "cfg.yaml"], "leave out --out and --for"),
        ],
    )
    def test_options_that_do_not_go_together(self, workspace, cli, arguments, says):
        code, _, err = cli("schema", *arguments)
        assert code == 2
        assert says in " ".join(err.split())

    def test_the_command_says_what_it_wrote(self, workspace, cli):
        (workspace / "cfg.yaml").write_text(MODEL)
        assert cli("schema", "--install", "cfg.yaml") == (
            0,
            ".runner/schema.json: schema written\ncfg.yaml: modeline written\n",
            "",
        )
        assert cli("schema", "--install", "cfg.yaml")[1].count("up to date") == 2


class TestWorkspace:
    @pytest.mark.parametrize("mark", [".git", ".vscode", ".runner", "pyproject.toml"])
    def test_it_is_the_nearest_folder_that_looks_like_a_projects(self, tmp_path, mark):
        (tmp_path / "project" / mark).mkdir(parents=True)
        inner = tmp_path / "project" / "a" / "b"
        inner.mkdir(parents=True)
        assert workspace(inner) == (tmp_path / "project").resolve()
        assert workspace(inner / "cfg.yaml") == (tmp_path / "project").resolve()

    def test_it_is_never_the_home_directory(self, tmp_path, monkeypatch):
        (tmp_path / ".git").mkdir()
        monkeypatch.setattr(Path, "home", tmp_path.resolve)
        (tmp_path / "configs").mkdir()
        assert workspace(tmp_path / "configs") == (tmp_path / "configs").resolve()


class TestRefresh:
    @pytest.fixture
    def config(self, workspace):
        file = workspace / "cfg.yaml"
        file.write_text(MODEL)
        install(file)
        return file

    def test_nothing_happens_while_nothing_changes(self, config):
        assert refresh(compose(config)) == []

    def test_nor_where_nothing_is_installed(self, tmp_path):
        (tmp_path / "cfg.yaml").write_text(MODEL)
        assert refresh(compose(tmp_path / "cfg.yaml")) == []
        assert [path.name for path in tmp_path.iterdir()] == ["cfg.yaml"]

    def test_an_old_schema_is_written_anew(self, config, workspace, cli):
        schema = workspace / ".runner" / "schema.json"
        mark = written(schema)
        schema.write_text(schema.read_text().replace(mark, "0" * 32).replace("SmallConvNet", "OldNet"))
        code, _, err = cli("validate", "cfg.yaml")
        assert code == 0
        assert "schema.json: brought up to date" in err
        assert written(schema) == mark
        assert "OldNet" not in schema.read_text()
        assert cli("validate", "cfg.yaml")[2] == ""

    def test_a_schema_that_was_not_installed_is_left_alone(self, config, workspace):
        config.write_text(with_modeline(MODEL, "mine.json"))
        (workspace / "mine.json").write_text('{"$comment": "mine"}')
        (workspace / ".runner" / "schema.json").write_text("{}")
        assert refresh(compose(config)) == []
        assert (workspace / "mine.json").read_text() == '{"$comment": "mine"}'

    def test_a_schema_that_can_not_be_written_does_not_stop_validate(self, config, workspace, cli, monkeypatch):
        schema = workspace / ".runner" / "schema.json"
        schema.write_text(schema.read_text().replace(written(schema), "0" * 32))

        def refuse(self, *arguments, **options):
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "write_text", refuse)
        code, _, err = cli("validate", "cfg.yaml")
        assert code == 0
        assert "can't be written" in err

    def test_code_of_ones_own_that_changes(self, workspace):
        for name in ("cfg.yaml", "model.py", "layers.py"):
            (workspace / name).write_text((ROOT / "examples" / "custom_model" / name).read_text())
        config = workspace / "cfg.yaml"
        install(config)
        own = workspace / ".runner" / "cfg.schema.json"
        assert refresh(compose(config)) == []
        model = workspace / "model.py"
        model.write_text(model.read_text().replace("blocks: Annotated", "stages: Annotated"))
        assert refresh(compose(config)) == [own]
        assert '"stages"' in own.read_text()


class TestFingerprint:
    def test_it_is_the_same_as_long_as_nothing_changes(self):
        assert fingerprint(default_plugins().catalog) == fingerprint(default_plugins().catalog.copy())

    def test_it_changes_with_what_is_on_offer(self, tmp_path):
        (tmp_path / "net.py").write_text("class Net: ...\n")
        catalog = default_plugins().catalog.copy()
        before = fingerprint(catalog, [tmp_path])
        catalog.add(Entry(kind="model", name="Net", plugin="local", target="net:Net"))
        with_net = fingerprint(catalog, [tmp_path])
        os.utime(tmp_path / "net.py", ns=(1, 1))
        touched = fingerprint(catalog, [tmp_path])
        refined = default_plugins().catalog.copy()
        refined.add(Entry(kind="model", name="Net", plugin="local", target="net:Net", schema={"required": ["a"]}))
        assert len({before, with_net, touched, fingerprint(refined, [tmp_path])}) == 4
