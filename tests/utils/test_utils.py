from __future__ import annotations

import importlib.metadata
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import runner
from runner import MMLogger, utils
from runner.utils import dl_utils
from runner.utils.time_counter import TimeCounter


class Pair(NamedTuple):
    a: int
    b: str


def test_sequences_of_a_type():
    assert utils.is_list_of([1, 2], int)
    assert not utils.is_list_of((1, 2), int)
    assert utils.is_tuple_of((1, "a"), (int, str))
    assert utils.is_seq_of("ab", str)
    assert not utils.is_seq_of([1, "a"], int)
    assert not utils.is_seq_of({1, 2}, int)
    assert utils.is_seq_of({1, 2}, int, seq_type=set)


def test_lists_are_cut_and_put_together():
    assert utils.slice_list([1, 2, 3, 4], 2) == [[1, 2], [3, 4]]
    assert utils.slice_list([1, 2, 3], [1, 0, 2]) == [[1], [], [2, 3]]
    assert utils.concat_list([[1], [], [2, 3]]) == [1, 2, 3]
    with pytest.raises(ValueError, match="add up to 2; there are 3"):
        utils.slice_list([1, 2, 3], [2])
    with pytest.raises(ValueError, match="pieces of 2"):
        utils.slice_list([1, 2, 3], 2)


def test_single_values_are_repeated():
    assert utils.to_2tuple(3) == (3, 3)
    assert utils.to_2tuple((1, 2, 3)) == (1, 2, 3)
    assert utils.to_ntuple(5)(0) == (0,) * 5
    assert [utils.to_1tuple(1), utils.to_3tuple(1), utils.to_4tuple(1)] == [(1,), (1,) * 3, (1,) * 4]


def test_leaves_are_changed():
    data = {"a": [1, (2, "x")], "b": Pair(3, "y")}
    changed = utils.apply_to(data, lambda leaf: isinstance(leaf, int), lambda leaf: leaf * 10)
    assert changed == {"a": [10, (20, "x")], "b": Pair(30, "y")}
    assert isinstance(changed["b"], Pair)


def test_versions_compare_as_versions_do():
    ordered = ["1.9", "1.10.dev3", "1.10a2", "1.10b1", "1.10rc1", "1.10", "1.10.post1", "1.10.1+cu118"]
    numbers = [utils.digit_version(each) for each in ordered]
    assert sorted(numbers) == numbers
    assert utils.digit_version(torch.__version__) >= utils.digit_version("2.6")
    with pytest.raises(ValueError, match="'parrots' is no version"):
        utils.digit_version("parrots")


def test_a_commit_is_found_or_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert utils.get_git_hash(fallback="none") == "none"
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    found = utils.get_git_hash()
    assert len(found) == 40
    assert utils.get_git_hash(digits=7) == found[:7]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert utils.get_git_hash() == "unknown"


def test_a_folders_files(tmp_path):
    for name in ("b.TXT", "a.txt", ".hidden.txt", "c.py", "sub/d.txt", ".sub/e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sub, hidden = str(Path("sub", "d.txt")), str(Path(".sub", "e.txt"))
    assert list(utils.scandir(tmp_path)) == ["a.txt", "b.TXT", "c.py"]
    assert list(utils.scandir(tmp_path, ".txt", recursive=True)) == [hidden, "a.txt", sub]
    assert list(utils.scandir(str(tmp_path), (".txt", ".py"), case_sensitive=False)) == ["a.txt", "b.TXT", "c.py"]
    with pytest.raises(TypeError, match="suffix is a list"):
        utils.scandir(tmp_path, [".txt"])  # type: ignore[arg-type] # on purpose


def test_folders_and_links(tmp_path):
    utils.mkdir_or_exist(tmp_path / "a" / "b")
    utils.mkdir_or_exist(tmp_path / "a" / "b")
    utils.mkdir_or_exist("")
    link = tmp_path / "link"
    for target in ("a", "a/b"):
        utils.symlink(tmp_path / target, link)
        assert link.resolve() == tmp_path / target
    with pytest.raises(FileExistsError):
        utils.symlink(tmp_path, link, overwrite=False)
    assert [utils.is_abs(path) for path in ("/a", "s3://a", "a/b")] == [True, True, False]


def test_what_is_installed():
    assert utils.is_installed("yaml-runner")
    assert utils.is_installed("torch")
    assert utils.is_installed("json")
    assert not utils.is_installed("no-such-package")
    assert not utils.is_installed("no.such.module")
    assert Path(utils.get_installed_path("torch")) == Path(torch.__file__).parent
    assert Path(utils.get_installed_path("runner")) == Path(runner.__file__).parent
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        utils.get_installed_path("no-such-package")


class Base:
    def one(self): ...

    def two(self): ...


class Derived(Base):
    def two(self): ...


def test_methods_that_are_overridden():
    assert utils.is_method_overridden("two", Base, Derived)
    assert not utils.is_method_overridden("one", Base, Derived())
    assert utils.has_method(Derived(), "one")
    assert not utils.has_method(Derived(), "three")
    with pytest.raises(TypeError, match="must be a class"):
        utils.is_method_overridden("one", Base(), Derived)  # type: ignore[arg-type] # on purpose


def test_an_argument_under_its_old_name():
    @utils.deprecated_api_warning({"size": "scale"}, cls_name="Resize")
    def resize(image, scale=1):
        return image, scale

    with pytest.warns(DeprecationWarning, match=r"Resize.resize: the argument 'size' is called 'scale' now"):
        assert resize("i", size=3) == ("i", 3)
    assert resize("i", scale=2) == ("i", 2)
    with pytest.warns(DeprecationWarning, match="scale"), pytest.raises(TypeError, match="give one of them"):
        resize("i", size=3, scale=2)


def test_a_function_that_goes(capsys):
    @utils.deprecated_function("1.0", "2.0", "use b() instead")
    def a():
        """Do it."""
        return 1

    with MMLogger("goes").current():
        assert a() == 1
    assert "deprecated in version 1.0 and will be removed in version 2.0. Please use b() instead" in "".join(
        capsys.readouterr()
    )
    assert a.__doc__.startswith(".. deprecated:: 1.0")
    assert a.__doc__.endswith("Do it.")


def test_a_timer(capsys):
    timer = utils.Timer(start=False)
    with pytest.raises(utils.TimerError, match="start"):
        timer.since_start()
    with utils.Timer(print_tmpl="took {:.1f} s") as timer:
        time.sleep(0.02)
        assert timer.since_last_check() >= 0.02
        assert timer.since_last_check() < timer.since_start()
    assert not timer.is_running
    assert capsys.readouterr().out == "took 0.0 s\n"
    assert utils.check_time("a name") == 0
    assert utils.check_time("a name") > 0


class Shelf(utils.ManagerMixin):
    def __init__(self, name="", size=0):
        super().__init__(name)
        self.size = size


class Other(utils.ManagerMixin):
    pass


def test_instances_by_name():
    with pytest.raises(RuntimeError, match="get_instance"):
        Other.get_current_instance()
    first = Shelf.get_instance("first", size=3)
    assert Shelf.get_instance("first") is first
    assert (first.size, first.instance_name) == (3, "first")
    assert Shelf.get_instance("second") is Shelf.get_current_instance()
    assert Shelf.check_instance_created("second")
    assert not Other.check_instance_created("second")
    with pytest.warns(UserWarning, match="size are not used"):
        Shelf.get_instance("first", size=4)
    with pytest.raises(ValueError, match="not empty"):
        Shelf("")
    with pytest.raises(TypeError, match="must take the argument 'name'"):

        class NoName(utils.ManagerMixin):
            def __init__(self): ...


def test_progress_is_shown():
    shown = io.StringIO()
    assert utils.track_progress(lambda task, more: task + more, [1, 2, 3], file=shown, more=1) == [2, 3, 4]
    assert shown.getvalue().startswith("[" + " " * 50 + "] 0/3, elapsed: 0s, ETA:")
    assert "3/3" in shown.getvalue().splitlines()[-1]
    assert list(utils.track_iter_progress((iter("ab"), 2), file=io.StringIO())) == ["a", "b"]
    shown = io.StringIO()
    utils.ProgressBar(file=shown).update(2)
    assert "completed: 2" in shown.getvalue()
    with pytest.raises(TypeError, match="their number"):
        utils.track_progress(str, (1, 2, 3))  # type: ignore[arg-type] # on purpose
    with pytest.raises(ValueError, match="1 or more"):
        utils.ProgressBar(3, file=shown).update(0)


PARALLEL = """
import io, multiprocessing, operator
from runner.utils import track_parallel_progress, track_progress_rich

if __name__ == "__main__":
    shown = io.StringIO()
    multiprocessing.set_start_method("spawn")
    done = track_parallel_progress(abs, [-3, -2, -1], 2, file=shown)
    first = sorted(track_parallel_progress(abs, ([-3, -2, -1], 3), 1, skip_first=True, keep_order=False, file=shown))
    print(done, first, "3/3" in shown.getvalue(), "2/2" in shown.getvalue())
    print(track_progress_rich(operator.add, [(1, 2), (3, 4)], nproc=2))
"""


def test_progress_of_several_processes(tmp_path):
    (tmp_path / "script.py").write_text(PARALLEL)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "[3, 2, 1] [1, 2, 3] True True"
    assert done.stdout.splitlines()[-1] == "[3, 7]"


def test_progress_drawn_by_rich(capsys):
    assert utils.track_progress_rich(lambda a, b: a * b, [(2, 3), [4, 5]], description="Products") == [6, 20]
    assert utils.track_progress_rich(lambda: 1, task_num=3) == [1, 1, 1]
    assert utils.track_progress_rich(abs, (each for each in (-1, -2)), task_num=2) == [1, 2]
    assert "Products" in capsys.readouterr().out
    for arguments, match in (
        ({}, "no tasks"),
        ({"tasks": [1], "task_num": 2}, "1 tasks"),
        ({"tasks": [1], "nproc": 0}, "nproc"),
    ):
        with pytest.raises(ValueError, match=match):
            utils.track_progress_rich(abs, **arguments)


def test_time_is_counted(capsys):
    @TimeCounter(log_interval=2, warmup_interval=2, tag="a function")
    def work():
        return 1

    assert [work() for _ in range(4)] == [1] * 4
    for _ in range(2):
        with TimeCounter(tag="a block"):
            pass
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(":")[0] for line in lines] == [
        "[a function]-time per run averaged in the past 2 runs",
        "[a function]-time per run averaged in the past 4 runs",
        "[a block]-time per run averaged in the past 1 runs",
        "[a block]-time per run averaged in the past 2 runs",
    ]
    with pytest.raises(ValueError, match="tag"), TimeCounter():
        pass


def test_norms_are_told():
    assert dl_utils.is_norm(nn.BatchNorm2d(1))
    assert dl_utils.is_norm(nn.LayerNorm(1))
    assert not dl_utils.is_norm(nn.BatchNorm2d(1), exclude=nn.modules.batchnorm._BatchNorm)
    assert not dl_utils.is_norm(nn.Linear(1, 1))
    assert dl_utils.has_batch_norm(nn.Sequential(nn.Sequential(nn.BatchNorm1d(1))))
    assert not dl_utils.has_batch_norm(nn.Sequential(nn.GroupNorm(1, 1)))
    with pytest.raises(TypeError, match="exclude"):
        dl_utils.is_norm(nn.Linear(1, 1), exclude="BatchNorm2d")  # type: ignore[arg-type] # on purpose


def test_images_of_a_tensor():
    pixels = torch.arange(12.0).reshape(1, 3, 2, 2)
    (image,) = dl_utils.tensor2imgs((pixels - 1) / 2, mean=(1, 1, 1), std=(2, 2, 2))
    assert image.shape == (2, 2, 3)
    np.testing.assert_allclose(image, pixels[0].permute(1, 2, 0).numpy()[:, :, ::-1])
    assert image.flags.c_contiguous
    assert dl_utils.tensor2imgs(pixels[:, :1], to_bgr=False)[0].shape == (2, 2, 1)
    with pytest.raises(ValueError, match="can't be turned round"):
        dl_utils.tensor2imgs(pixels[:, :1])


def test_processes_are_set_up(tmp_path):
    script = (
        "import multiprocessing, os; from runner.utils.dl_utils import set_multi_processing as s; "
        "s('spawn', distributed=True); print(multiprocessing.get_start_method(), os.environ['OMP_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "spawn 1\n"
