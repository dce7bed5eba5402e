"""`runner train` and `runner test`: their flags, and what a person sees when a run fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from runner import Config

PARTS = Path(__file__).parent / "project" / "toy_parts.py"


@pytest.fixture
def train(cli, config):
    """Trains; gives what was printed and the config that the run wrote down."""

    def call(*arguments, text="", code=0):
        done = cli("train", config(text), "--device", "cpu", *arguments)
        assert done.code == code, done.err
        assert "Traceback" not in done.err
        return done, Config.fromfile("work_dirs/cfg/cfg.yaml")

    return call


def test_a_run_and_a_test_of_it(train, cli, tmp_path):
    done, written = train()
    assert "runs your own code: ./toy_parts.py" in done.err
    assert "count: 8" in done.out + done.err
    assert (tmp_path / "work_dirs" / "cfg" / "epoch_1.pth").exists()
    assert written.model.type == "ToyNet"
    done = cli("test", "cfg.yaml", "work_dirs/cfg/epoch_1.pth", "--device", "cpu", "--format", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[-1]) == {"checkpoint": "work_dirs/cfg/epoch_1.pth", "metrics": {"count": 8}}


def test_flags_are_overrides(train, tmp_path):
    _, first = train()
    weights = "work_dirs/cfg/epoch_1.pth"
    rates = "auto_scale_lr: {base_batch_size: 8}\n"
    done, written = train("--amp", "--auto-scale-lr", "--no-val", "--load-from", weights, text=rates)
    assert (written.optim_wrapper.type, written.optim_wrapper.loss_scale) == ("AmpOptimWrapper", "dynamic")
    assert written.optim_wrapper.optimizer == first.optim_wrapper.optimizer
    assert written.auto_scale_lr == {"base_batch_size": 8, "enable": True}
    assert "lr: 5.0000e-02" in done.out + done.err
    assert not {"val_dataloader", "val_cfg", "val_evaluator"} & set(written)
    assert written.test_dataloader.batch_size == 4  # `${val_dataloader}` in the config
    assert written.load_from == weights
    assert re.search("[Ll]oad.*epoch_1.pth", done.out + done.err)


def test_auto_scale_lr_needs_to_know_the_batch_size(cli, config):
    done = cli("train", config(), "--auto-scale-lr")
    assert done.code == 1
    assert "error[missing-base-batch-size] auto_scale_lr" in done.err


def test_amp_of_a_config_that_has_it(train, cli, config):
    done, _ = train("--amp", text="optim_wrapper: {type: AmpOptimWrapper, dtype: bfloat16}\n")
    assert "--amp: the config trains in mixed precision already" in done.err
    done = cli("train", config("optim_wrapper: {type: Other}\n"), "--amp")
    assert done.code == 2
    assert "--amp replaces OptimWrapper, and the config's optim_wrapper is Other" in " ".join(done.err.split())


def test_work_dir(cli, config, tmp_path):
    for arguments, text, folder in (
        ([], "work_dir: from_config\n", "from_config"),
        (["--work-dir", "from=flag"], "work_dir: from_config\n", "from=flag"),
    ):
        done = cli("train", config(text), "--device", "cpu", *arguments)
        assert done.code == 0, done.err
        assert (tmp_path / folder / "epoch_1.pth").exists()


@pytest.mark.parametrize(
    "resume", [["--resume"], ["--resume", "2"], ["--resume=work_dirs/cfg/epoch_1.pth"]], ids=" ".join
)
def test_resume(train, resume):
    train()
    done, written = train(*resume, "-o", "train_cfg.max_epochs=2")
    assert "Epoch(train) [2]" in done.out + done.err
    assert "Epoch(train) [1]" not in done.out + done.err
    assert written.resume == (True if resume == ["--resume"] else resume[-1].removeprefix("--resume="))
    state = torch.load("work_dirs/cfg/epoch_2.pth", weights_only=True)
    assert (state["meta"]["epoch"], state["meta"]["iter"]) == (2, 4)


def test_resume_where_nothing_has_run(train):
    done, _ = train("--resume")
    assert "training starts afresh" in done.out + done.err


@pytest.mark.parametrize("resume", ["17", "nowhere.pth"])
def test_resume_from_what_is_not_there(cli, config, resume):
    done = cli("train", config(), "--device", "cpu", "--resume", resume)
    assert done.code == 3
    assert resume in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "options",
    [
        ["--cfg-options", "train_cfg.max_epochs=2", "randomness.seed=7", "--no-val"],
        [
            "--cfg-options=train_cfg.max_epochs=2",
            "-o",
            "randomness.seed=7",
            "--unset",
            "test_cfg",
            "--unset",
            "test_dataloader",
            "--unset",
            "test_evaluator",
        ],
    ],
    ids=["as OpenMMLab's scripts", "ours"],
)
def test_overrides(train, options):
    _, written = train(*options)
    assert (written.train_cfg.max_epochs, written.randomness.seed) == (2, 7)
    assert ("test_cfg" in written) == ("--unset" not in options)
    assert ("val_cfg" in written) == ("--no-val" not in options)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-o", "model.brokn=init"], 1, "<command line>:1:7: error[unknown-key] model.brokn: no such key; did you mean 'broken'?\n    1 | model.brokn=init\n      |       ^^^^^\n"),
        (["-o", "vars.a=1", "-o", "modle=1"], 1, "<command line>:2:1: error[unknown-key] modle"),
        (["--launcher", "torchrun"], 1, "launcher: no launcher is called 'torchrun'; did you mean 'pytorch'?"),
        (["--launcher", "slurm", "--max-restarts", "2"], 2, "the launcher is slurm; start the processes with `srun`"),
        (["--launcher", "infer", "--nproc-per-node", "2"], 2, "the launcher is none; add `--launcher pytorch`"),
        (["--unset", "train_cfg"], 1, "error[not-built-together]"),
        (["--device", "gpu"], 2, "'gpu' is no device; give auto, cpu, cuda, cuda:N or mps"),
    ],
)  # fmt: skip
def test_what_can_not_run_is_refused(cli, config, arguments, code, says):
    done = cli("train", config(), *arguments)
    assert done.code == code
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_test_of_a_config_without_one(cli, config):
    done = cli("test", config("test_cfg: null\n"), "nowhere.pth", "--device", "cpu")
    assert done.code in {1, 3}
    assert "test_" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "command",
    [["train", "cfg.yaml"], ["train", "cfg.yaml", "--launcher", "infer"], ["test", "cfg.yaml", "nowhere.pth"]],
)
def test_world_size_without_a_launcher_names_the_flag(cli, config, monkeypatch, command):
    config()
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = cli(*command)
    assert done.code == 2
    assert "WORLD_SIZE is 2 and the launcher is none; add `--launcher pytorch`" in " ".join(done.err.split())
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert cli(*command, "--device", "nonsense").code == 3


class TestErrorsInAUsersCode:
    """They show the user's traceback, and not ours."""

    def shows(self, text, line, message):
        """The traceback has one frame, the user's own."""
        frames = re.findall(r'File "(.*?)", line (\d+)', text)
        number = PARTS.read_text().splitlines().index(line) + 1
        assert frames == [(str(PARTS), str(number))]
        assert f'Traceback (most recent call last):\n  File "{PARTS}"' in text
        assert f"\nLookupError: {message}\n" in text

    def test_in_a_models_constructor(self, cli, config):
        done = cli("train", config(), "-o", "model.broken=init", "--device", "cpu")
        assert done.code == 3
        self.shows(done.err, '            raise LookupError("a bad start")', "a bad start")
        assert done.err.endswith("error: model: ToyNet could not be built: LookupError: a bad start\n")

    def test_in_a_models_forward(self, cli, config):
        done = cli("train", config(), "-o", "model.broken=forward", "--device", "cpu")
        assert done.code == 3
        self.shows(done.err, '            raise LookupError("a bad step")', "a bad step")

    @pytest.mark.parametrize("workers", [0, 1])
    def test_in_a_dataset(self, process, config, workers):
        config()
        overrides = ["-o", "train_dataloader.dataset.broken=true", "-o", f"train_dataloader.num_workers={workers}"]
        done = process("train", "cfg.yaml", "--device", "cpu", *overrides)
        assert done.code == 3
        self.shows(done.err, '            raise LookupError("a bad sample")', "a bad sample")
        assert ("Caught LookupError in DataLoader worker process 0" in done.err) == bool(workers)

    def test_in_a_file_of_custom_imports(self, cli, config, tmp_path):
        text = PARTS.read_text().replace("@DATASETS", "[][1]\n\n\n@DATASETS")
        (tmp_path / "broken_parts.py").write_text(text)
        done = cli("train", config("custom_imports: {imports: [./broken_parts.py]}\n"), "--device", "cpu")
        assert done.code == 3
        assert re.findall(r'File "(.*?)"', done.err) == [str(tmp_path / "broken_parts.py")]
        assert "\nIndexError: list index out of range\n" in done.err


@pytest.mark.parametrize("imports", ["own_package", "[./own_module.py]"])
def test_a_configs_own_code_is_found_beside_it(process, tmp_path, imports):
    folder = tmp_path / "project"
    (folder / "own_package").mkdir(parents=True)
    for file in (folder / "own_package" / "__init__.py", folder / "own_module.py"):
        file.write_text(PARTS.read_text())
    (folder / "cfg.yaml").write_text(PARTS.with_name("toy.yaml").read_text().replace("[./toy_parts.py]", imports))
    done = process("train", "project/cfg.yaml", "--device", "cpu")
    assert done.code == 0, done.err
    assert (tmp_path / "work_dirs" / "cfg" / "epoch_1.pth").exists()
