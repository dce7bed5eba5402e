"""What a whole training does when it can write no more, shares its folder, or is killed amid a save elsewhere than $TMPDIR."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from launching import assert_same_run, command, start, train, until

from runner.checkpoint import CheckpointStore

SEQUENCE = Path(__file__).with_name("sequence.py")
FAULTS = {"full": "File too large", "read-only": "Permission denied"}
DROP_FROM_BOUNDING_SET, MAY_OVERRIDE_MODES, MAY_READ_ALL = 24, 1, 2


class Ending(NamedTuple):
    """How a command ended."""

    code: int
    output: str


def heed_modes() -> None:
    """Take from the program that is started next what lets root write where modes forbid it."""
    libc = ctypes.CDLL(None, use_errno=True)
    for right in (MAY_OVERRIDE_MODES, MAY_READ_ALL):
        if libc.prctl(DROP_FROM_BOUNDING_SET, right, 0, 0, 0) and os.getuid() == 0:
            raise OSError(ctypes.get_errno(), "this process can't give up a root user's rights")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def endings(folder: Path) -> dict[str, Ending]:
    """All launches that end by themselves, in one process, as starting one takes longer than the run."""
    lines = {"straight": command(folder / "straight")}
    for fault in FAULTS:
        policy = "default_hooks.checkpoint.on_save_error"
        for name in ("stop", "continue"):
            options = ("-o", f"custom_hooks.1.fault={fault}", "-o", f"{policy}={name}")
            lines[f"{fault} {name}"] = command(folder / f"{fault}-{name}", *options)
            if name == "stop":
                lines[f"{fault} restored"] = command(folder / f"{fault}-stop", "--resume")
    (folder / "notes").mkdir()
    done = subprocess.run(
        [sys.executable, str(SEQUENCE), json.dumps([line[3:] for line in lines.values()])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
        preexec_fn=heed_modes,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NOTES": str(folder / "notes"), "PYTHONUNBUFFERED": "1"},
    )
    assert done.returncode == 0, done.stdout
    parts = done.stdout.split("\n### ")
    codes = [int(part.splitlines()[0]) for part in parts[1::2]]
    assert len(codes) == len(lines), done.stdout
    return {name: Ending(code, part) for name, code, part in zip(lines, codes, parts[0::2], strict=False)}


@pytest.mark.parametrize("fault", FAULTS)
class TestSave:
    def test_stop(self, endings: dict[str, Ending], folder: Path, fault: str) -> None:
        ending = endings[f"{fault} stop"]
        assert ending.code == 3, ending.output
        assert f"could not be written: {FAULTS[fault]}" in ending.output
        assert "Traceback" not in ending.output

    def test_what_was_saved_before_is_what_it_goes_on_from(
        self, endings: dict[str, Ending], folder: Path, fault: str
    ) -> None:
        ending = endings[f"{fault} restored"]
        assert ending.code == 0, ending.output
        assert f"resumed from {folder / f'{fault}-stop' / 'epoch_1.pth'}" in ending.output
        assert_same_run(folder / f"{fault}-stop", folder / "straight")

    def test_continue(self, endings: dict[str, Ending], folder: Path, fault: str) -> None:
        ending = endings[f"{fault} continue"]
        assert ending.code == 0, ending.output
        assert f"epoch_2.pth could not be written: {FAULTS[fault]}" in ending.output
        assert "tries again at the next save" in ending.output
        names = {path.name for path in (folder / f"{fault}-continue").glob("epoch_*.pth")}
        assert names == {"epoch_1.pth", "epoch_3.pth"}
        assert_same_run(folder / f"{fault}-continue", folder / "straight")
        assert not list((folder / f"{fault}-continue").glob(".*.part"))


@pytest.mark.usefixtures("endings")
def test_a_second_run_in_a_work_directory_is_refused_and_a_killed_one_holds_nothing(
    folder: Path, tmp_path: Path
) -> None:
    first = start(tmp_path / "w", "-o", "custom_hooks.1.fault=wait", "-o", "custom_hooks.1.begin=13")
    try:
        assert until(first, tmp_path / "w_notes" / "begun") == first.pid
        second = train(tmp_path / "w", "--resume")
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate(timeout=60)
    assert second.returncode == 3, second.stdout + second.stderr
    assert f"{tmp_path / 'w'} is in use by process {first.pid} on " in second.stderr
    third = train(tmp_path / "w", "--resume")
    assert third.returncode == 0, third.stdout + third.stderr
    assert_same_run(tmp_path / "w", folder / "straight")


@pytest.mark.usefixtures("endings")
def test_temporary_files_on_another_file_system_change_nothing(folder: Path, tmp_path: Path) -> None:
    """Killed in a save before its file is flushed, then in one before its file has its name."""
    elsewhere = Path("/dev/shm", f"runner-{os.getpid()}")
    assert elsewhere.parent.stat().st_dev != tmp_path.stat().st_dev
    elsewhere.mkdir()
    try:
        for number, fault in enumerate(("flush", "rename"), start=1):
            dies = ("-o", f"custom_hooks.1.fault={fault}", "-o", f"custom_hooks.1.begin={10 * number}")
            killed = train(tmp_path / "w", "--resume", *dies, TMPDIR=str(elsewhere))
            assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
            newest = CheckpointStore(tmp_path / "w").newest(pytest.fail)
            assert newest is not None
            assert newest.name == f"epoch_{number}.pth"
            assert not list(elsewhere.rglob("*.p*t*"))
        done = train(tmp_path / "w", "--resume", TMPDIR=str(elsewhere))
    finally:
        subprocess.run(["rm", "-rf", str(elsewhere)], check=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_run(tmp_path / "w", folder / "straight")
