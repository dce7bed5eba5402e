"""A value that a config took from the environment is nowhere to be found after a run, whatever code did with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from runner import masking

HERE = Path(__file__).parent
CANARY = "can-ary'7f\"3?é/x"
"""With what JSON, `repr` and addresses write in another way."""
WRITTEN = {
    CANARY,
    json.dumps(CANARY)[1:-1],
    repr(CANARY)[1:-1],
    quote(CANARY),
    json.dumps(json.dumps(CANARY)[1:-1])[1:-1],
}
BACKENDS = {
    "tensorboard": "{type: TensorboardVisBackend}",
    "mlflow": "{type: MLflowVisBackend, tags: {t: '${env:CANARY}'}, params: {p: '${env:CANARY}'}}",
    "wandb": "{type: WandbVisBackend, init_kwargs: {project: p, mode: offline, notes: 'n ${env:CANARY}', "
    "config: {k: '${env:CANARY}'}, tags: ['${env:CANARY}']}}",
}


@pytest.fixture
def project(tmp_path):
    for name in ("own.py", "secret.yaml"):
        shutil.copy(HERE / name, tmp_path / name)
    return tmp_path


def command(project, *args):
    """Run a command in a process of its own; its exit code and what it wrote, which is kept in files too."""
    environment = {**os.environ, "CANARY": CANARY, "OMP_NUM_THREADS": "1", "WANDB_SILENT": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "runner", *args],
        cwd=project,
        env=environment,
        capture_output=True,
        timeout=500,
        check=False,
    )
    (project / f"{args[0]}.out").write_bytes(done.stdout)
    (project / f"{args[0]}.err").write_bytes(done.stderr)
    return done.returncode, (done.stdout + done.stderr).decode()


def leaks(folder):
    found = []
    for file in folder.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        found += [f"{file}: {text}" for text in WRITTEN if text.encode() in content]
    return found


@pytest.mark.slow
def test_after_a_run_no_output_holds_it(project):
    with (project / "secret.yaml").open("a") as file:
        file.writelines(f"    - {text}\n" for name, text in BACKENDS.items() if find_spec(name))
    code, told = command(project, "train", "secret.yaml", "--work-dir", "work")
    assert code == 0, told
    assert "logged in with bearer ${env:CANARY}" in told
    assert "printed bearer ${env:CANARY}" in told
    assert "warned of bearer ${env:CANARY}" in told
    assert "ValueError: bearer ${env:CANARY}" in told
    assert list((project / "work").glob("*.pth"))
    assert (project / "work" / "secret.yaml").exists()
    assert not leaks(project)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["train_dataloader.dataset.fails=constructor"], "ValueError: the server refused ${env:CANARY}"),
        (["train_dataloader.dataset.fails=item"], "RuntimeError: no answer to '${env:CANARY}'"),
        (["train_dataloader.dataset.fails=item", "train_dataloader.num_workers=1"], "no answer to '${env:CANARY}'"),
    ],
    ids=["constructor", "item", "worker"],
)
def test_an_error_that_names_it(project, overrides, said):
    code, told = command(project, "train", "secret.yaml", "--work-dir", "work", *(f"-o{each}" for each in overrides))
    assert code == 3
    assert said in told
    assert not leaks(project)


@pytest.mark.parametrize(
    "args",
    [
        ("show", "secret.yaml"),
        ("show", "secret.yaml", "--origins"),
        ("show", "secret.yaml", "model.key"),
        ("validate", "secret.yaml", "-o", "train_cfg.max_epochs=${env:CANARY}"),
        ("validate", "secret.yaml", "-o", "model.${env:CANARY}=1", "--format", "json"),
        ("diff", "secret.yaml", "other.yaml"),
        ("env",),
        ("plan", "secret.yaml"),
    ],
    ids=lambda args: " ".join(args[:1] + args[2:3]),
)
def test_commands_that_read_it(project, args):
    (project / "other.yaml").write_text((project / "secret.yaml").read_text().replace("bearer ", "token "))
    code, told = command(project, *args)
    assert code in {0, 1}, told
    assert not leaks(project)


class TestMasking:
    @pytest.fixture(autouse=True)
    def nothing_known(self, monkeypatch):
        monkeypatch.setattr(masking, "_references", {})

    def test_however_it_is_written(self):
        masking.remember({"CANARY": CANARY})
        for text in WRITTEN:
            assert masking.mask(f"<{text}>") == "<${env:CANARY}>"
        assert masking.mask_texts({"a": [CANARY, 1], "b": (CANARY,)}) == {
            "a": ["${env:CANARY}", 1],
            "b": ("${env:CANARY}",),
        }

    def test_a_longer_one_is_hidden_before_one_within_it(self):
        masking.remember({"A": "secret", "B": "secret-and-more"})
        assert masking.mask("secret-and-more, secret") == "${env:B}, ${env:A}"

    @pytest.mark.parametrize(
        "value", ["", "4", "cuda", "true", "0.00001", "123456", "{tmp_path}", "{tmp_path}/made-later"]
    )
    def test_what_is_no_secret(self, tmp_path, value):
        value = value.replace("{tmp_path}", str(tmp_path))
        masking.remember({"VALUE": value})
        assert masking.mask(f"a {value} b") == f"a {value} b"

    def test_what_is_not_set(self):
        masking.remember({"VALUE": None})
        assert masking.mask("None") == "None"

    def test_what_is_masked_already_stays_as_it_is(self):
        masking.remember({"PRODUCTION": "PRODUCTION", "API_KEY_NAME": "hush-hush", "PART": "API_KEY"})
        text = "PRODUCTION, hush-hush, API_KEY"
        for _ in range(3):
            text = masking.mask(text)
            assert text == "${env:PRODUCTION}, ${env:API_KEY_NAME}, ${env:PART}"

    def test_without_the_line_end_that_a_file_gave_it(self):
        masking.remember({"TOKEN": "hush-hush\n"})
        assert masking.mask("bearer hush-hush.") == "bearer ${env:TOKEN}."

    def test_line_by_line(self):
        masking.remember({"KEY": "-----BEGIN KEY-----\nabcdefgh\nxyz\n"})
        assert masking.mask("12:00 -----BEGIN KEY-----\n12:00   abcdefgh\n") == "12:00 ${env:KEY}\n12:00   ${env:KEY}\n"

    def test_tuples_with_names(self):
        masking.remember({"TOKEN": "hush-hush"})
        assert masking.mask_texts([urlsplit("hush-hush")]) == [("", "", "${env:TOKEN}", "", "")]
