"""Rows of what goes wrong around checkpoints, signals, folders and configs."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import torch
from bench import Bench, Found, Run
from damage import Evil, digests, flip, is_whole, largest, payloads, speak, truncate
from parts import Spec
from rows import row

__all__: list[str] = []

PLAIN = Spec(folder="")
LARGE = PLAIN.but(ballast=4_000_000)
SMALL = PLAIN.but(ballast=250_000)
WRITTEN = (".pth", ".ckpt", ".pt", ".bin", ".safetensors", ".part")
TRIES = 12


def _whole(bench: Bench, run: Run) -> list[int]:
    """The steps of which a run has a whole checkpoint."""
    like = next(iter(bench.straight(PLAIN).checkpoints.values()))
    return [step for step, path in run.checkpoints.items() if is_whole(path, like)]


def _outcome(bench: Bench, run: Run, newest: int) -> Found:
    """Where a launch went on from, beside the newest checkpoint."""
    launch = run.launch()
    code, step = launch.wait(), bench.step_of(run)
    if step is None or (code != 0 and not launch.batches):
        return {"outcome": "error", "exit code": code, "error": launch.error}
    told = "began afresh" if step == 0 else "fell back" if step < newest else "loaded it"
    return {"outcome": told, "exit code": code, "resumed at step": step, "newest checkpoint": newest}


def _files(*folders: Path) -> set[Path]:
    found: set[Path] = set()
    for folder in folders:
        for parent, _, names in os.walk(folder):
            found |= {Path(parent, name) for name in names}
    return found


def _kill_in_write(bench: Bench, run: Run, temporary: Path) -> bool:
    """Kill a launch within the write of a checkpoint; whether it was there."""
    launch = run.launch(temporary=temporary)
    launch.reach(bench.draw.randint(10, PLAIN.steps - 14))
    delay, final = bench.draw.uniform(0, 0.05), bench.draw.random() < 0.5  # whether to wait for the final name
    before = _files(run.folder, temporary)
    while launch.is_running():
        new = _files(run.folder, temporary) - before
        if any(path.suffix in WRITTEN or (path.is_relative_to(temporary) and not final) for path in new):
            time.sleep(delay)
            break
        time.sleep(0.001)
    if not launch.kill():
        return False
    like = next(iter(bench.straight(PLAIN).checkpoints.values()))
    torn = any(not is_whole(path, like) for path in run.checkpoints.values())
    return torn or any(
        path.suffix == ".part" or path.is_relative_to(temporary) for path in _files(run.folder, temporary)
    )


def _writes(keep: int | None = None, where: str | None = None) -> Any:
    """An experiment of kills within writes."""

    def experiment(bench: Bench, rounds: int) -> list[Found]:
        return [_written(bench, keep, where) for _ in range(rounds)]

    return experiment


def _written(bench: Bench, keep: int | None, where: str | None) -> Found:
    run = bench.run(LARGE.but(keep=keep))
    for _ in range(TRIES):
        bench.drop(run)
        run = bench.run(LARGE.but(keep=keep))
        temporary = Path(f"{where}/{bench.folder.name}-{run.folder.name}" if where else f"{run.folder}-temporary")
        temporary.mkdir(parents=True)
        hit = _kill_in_write(bench, run, temporary)
        shutil.rmtree(temporary)
        if hit:
            break
    else:
        raise RuntimeError(f"{TRIES} times no kill fell within a write")
    whole = _whole(bench, run)
    torn = sorted(set(run.checkpoints) - set(whole))
    found = _outcome(bench, run, max(run.checkpoints, default=0))
    ok = found["exit code"] == 0 and found.get("resumed at step") in whole[-2:]
    bench.drop(run)
    return {"ok": ok, "whole": whole, "damaged under final name": torn, **found}


def truncated(bench: Bench, rounds: int) -> list[Found]:
    """The newest checkpoint is cut off."""
    found = []
    for _ in range(rounds):
        run = bench.interrupted(SMALL)
        newest = max(run.checkpoints)
        what = truncate(largest(run.checkpoints[newest]), bench.draw)
        result = _outcome(bench, run, newest)
        found.append({"ok": result["outcome"] == "fell back" and result["exit code"] == 0, "cut": what, **result})
        bench.drop(run)
    return found


def flipped(bench: Bench, rounds: int) -> list[Found]:
    """A bit of the newest checkpoint is flipped."""
    found = []
    for _ in range(rounds):
        run = bench.interrupted(SMALL)
        newest = max(run.checkpoints)
        what = flip(largest(run.checkpoints[newest]), bench.draw)
        result = _outcome(bench, run, newest)
        found.append({"ok": result["outcome"] in {"fell back", "error"}, "flipped": what, **result})
        bench.drop(run)
    return found


def all_damaged(bench: Bench, rounds: int) -> list[Found]:
    """Every checkpoint is cut off."""
    found = []
    for _ in range(rounds):
        run = bench.interrupted(SMALL)
        newest = max(run.checkpoints)
        for path in run.checkpoints.values():
            truncate(largest(path), bench.draw)
        result = _outcome(bench, run, newest)
        found.append({"ok": result["outcome"] == "error" and result["exit code"] != 0, **result})
        bench.drop(run)
    return found


def full_disk(bench: Bench, rounds: int) -> list[Found]:
    """A save fails for want of space; the run is resumed once there is some."""
    found = []
    for _ in range(rounds):
        run = bench.interrupted(SMALL)
        kept = max(run.checkpoints)
        before = digests(payloads(run.checkpoints[kept]))
        launch = run.launch(most_bytes=500_000)
        code, error = launch.wait(), launch.error
        path = run.checkpoints.get(kept)
        untouched = path is not None and digests(payloads(path)) == before
        result = _outcome(bench, run, max(run.checkpoints, default=0))
        on = result["exit code"] == 0 and result.get("resumed at step", 0) >= kept
        about = {"exit code, full": code, "error, full": error, "checkpoint before untouched": untouched}
        found.append({"ok": code != 0 and untouched and on, **about, **result})
        bench.drop(run)
    return found


ORDINARY = {0, 1, -signal.SIGTERM}
"""Exit codes that don't say that a run was stopped and can go on."""


def stopped(bench: Bench, rounds: int) -> list[Found]:
    """SIGTERM in a step."""
    found = []
    for _ in range(rounds):
        run = bench.run(PLAIN)
        bench.straight(PLAIN)
        launch = run.launch(changes={"pause": 0.15})
        launch.reach(bench.draw.choice([8, 13]))  # well after a checkpoint: what is saved was saved for the signal
        sent = len(launch.batches)
        os.kill(launch.pid, signal.SIGTERM)
        asked = time.monotonic()
        code = launch.wait()
        done, newest = len(launch.batches), max(run.checkpoints, default=0)
        about = {"sent in batch": sent, "ended after batch": done, "newest checkpoint": newest, "exit code": code}
        about["seconds"] = round(time.monotonic() - asked, 1)
        found.append({"variant": "an exit code of its own", "ok": code not in ORDINARY, "exit code": code})
        kept = newest >= done - 1  # the batch that was begun may be begun again
        on = bench.resumed(run) if newest else {"equal": False}
        about |= {key: on.get(key) for key in ("resumed at batch", "equal", "largest difference")}
        found.append({"variant": "saved", "ok": kept, **about})
        found.append({"variant": "goes on exactly", "ok": kept and on["equal"]})
        bench.drop(run)
    return found


def two_runs(bench: Bench, rounds: int) -> list[Found]:
    """A second run is started in the folder of one that trains."""
    run = bench.run(PLAIN)
    first = run.launch(changes={"pause": 1.0})
    first.reach(8)
    second = run.launch()
    while second.is_running() and len(second.batches) < 8:
        time.sleep(0.02)
    beside = first.is_running()
    codes = second.wait(), first.wait()
    result: Found = {"exit codes": [codes[1], codes[0]], "batches of the second": len(second.batches)}
    result["the first ran beside it"] = beside
    if codes[0] != 0:
        result["error of the second"] = second.error
    refused = codes[0] != 0 and not second.batches
    return [{"ok": beside and refused and codes[1] == 0, **result}]


def typos(bench: Bench, rounds: int) -> list[Found]:
    """A setting's name is misspelt."""
    found = []
    for right, wrong in bench.framework.TYPOS.items():
        run = bench.run(PLAIN.but(typo=right, epochs=1))
        launch = run.launch()
        launch.wait()
        if launch.code == 0 or len(launch.batches) > 2 * PLAIN.batches:
            told = "silent"
        else:
            told = "after training began" if launch.batches else "before"
        error = {"error": launch.error} if launch.code else {}
        batches = len(launch.batches)
        found.append({"variant": wrong, "ok": told == "before", "found": told, "batches": batches, **error})
        bench.drop(run)
    return found


def malicious(bench: Bench, rounds: int) -> list[Found]:
    """A checkpoint comes from a stranger."""
    run = bench.interrupted(PLAIN)
    newest = max(run.checkpoints)
    names = [path.name for path in payloads(run.checkpoints[newest]) if path.suffix != ".json"]
    kept = Path(f"{run.folder}-kept")
    shutil.copytree(run.folder, kept, symlinks=True)
    found = []
    for name in [*names, *(["a string in it"] if newest and run.checkpoints[newest].suffix == ".pth" else [])]:
        shutil.rmtree(run.folder)
        shutil.copytree(kept, run.folder, symlinks=True)
        (run.folder / "checkpoints.json").unlink(
            missing_ok=True
        )  # our digests, which a stranger's folder would not have
        sentinel = Path(f"{run.folder}-ran")
        sentinel.unlink(missing_ok=True)
        checkpoint = run.checkpoints[newest]
        if name == "a string in it":
            speak(checkpoint, sentinel)
        else:
            path = checkpoint / name if checkpoint.is_dir() else checkpoint
            if path.suffix == ".safetensors":
                path.unlink()
                path = path.with_name("pytorch_model.bin")
            torch.save({"state": Evil(sentinel)}, path)
        result = _outcome(bench, run, newest)
        ran = sentinel.exists()
        found.append(
            {"variant": name if checkpoint.is_dir() or " " in name else "a pickle", "ok": not ran, "ran": ran} | result
        )
        sentinel.unlink(missing_ok=True)
    return found


WRITE = "Killed with `kill -9` within the write of a checkpoint: the same command goes on, and no more than one save is lost"
row("write", WRITE, "all checkpoints kept", _writes())
row("write-one", WRITE, "one checkpoint kept", _writes(keep=1))
row("write-elsewhere", WRITE, "`$TMPDIR` on another file system", _writes(where="/dev/shm"))

DAMAGE = "Damage"
row("truncated", DAMAGE, "the newest checkpoint is cut off: the one before it is used", truncated)
row("flipped", DAMAGE, "a bit of the newest checkpoint is flipped: it is noticed", flipped)
row("all-damaged", DAMAGE, "every checkpoint is cut off: an error, no fresh start", all_damaged)
row("full", DAMAGE, "the disk is full in a save: an error, the checkpoint before is untouched and goes on", full_disk)

OTHERS = "Signals, folders, configs, strangers"
row(
    "sigterm",
    OTHERS,
    "SIGTERM in a step: it saves, goes on from there exactly, and says so by an exit code of its own",
    stopped,
)
row("two", OTHERS, "a second run in the same folder is refused", two_runs)
row("typo", OTHERS, "a misspelt setting is found before anything is trained (8 settings)", typos)
row("malicious", OTHERS, "a checkpoint that holds code runs none of it", malicious)
