"""Rows of runs that are killed in mid-epoch and resumed: do they end as the uninterrupted one?"""

from __future__ import annotations

from typing import Any

from bench import Bench, Found, Run
from parts import Spec
from rows import row

__all__: list[str] = []

PLAIN = Spec(folder="")


def _killed(bench: Bench, spec: Spec, rounds: int) -> list[Found]:
    found = []
    for _ in range(rounds):
        run = bench.interrupted(spec)
        found.append(bench.resumed(run))
        bench.drop(run)
    return found


def _variants(**variants: Spec) -> Any:
    """An experiment over several specs."""

    def experiment(bench: Bench, rounds: int) -> list[Found]:
        return [
            {"variant": name, "ok": found["equal"], **found}
            for name, spec in variants.items()
            for found in _killed(bench, spec, rounds)
        ]

    return experiment


def _generators(workers: int) -> dict[str, Spec]:
    return {name: PLAIN.but(workers=workers, augmentation=name) for name in ("python", "numpy", "torch")}


KILLED = "Killed with `kill -9` in mid-epoch and resumed: the final weights equal the uninterrupted run's, bit for bit"

row("helped", KILLED, "out of the box, with nothing else set", _variants(plain=PLAIN.but(is_helped=False)))
row("plain", KILLED, "shuffled data, AdamW, cosine schedule", _variants(plain=PLAIN))
row("workers", KILLED, "the same, 2 workers", _variants(workers=PLAIN.but(workers=2)))
row("augmented", KILLED, "augmentation by Python's, NumPy's, torch's generator", _variants(**_generators(0)))
row("augmented-workers", KILLED, "the same, 2 workers", _variants(**_generators(2)))
row("dropout", KILLED, "dropout", _variants(dropout=PLAIN.but(dropout=0.4)))
row("draws", KILLED, "a model that draws from Python and NumPy", _variants(draws=PLAIN.but(draws=True)))
row("accumulation", KILLED, "gradients accumulated over 3 batches", _variants(accumulation=PLAIN.but(accumulation=3)))
row(
    "ema",
    KILLED,
    "an exponential moving average (its weights too)",
    _variants(ema=PLAIN.but(ema=True)),
    needs="HAS_EMA",
)
row(
    "together",
    KILLED,
    "dropout, augmentation and a model that draws, 2 workers, accumulation",
    _variants(together=PLAIN.but(dropout=0.4, augmentation="numpy", draws=True, workers=2, accumulation=3)),
)

STATE = "What else goes on"


def early_stopping(bench: Bench, rounds: int) -> list[Found]:
    """Whether a resumed run stops where the uninterrupted one did."""
    spec = PLAIN.but(early_stopping=True, best=True, epochs=6)
    found = []
    for _ in range(rounds):
        run = bench.interrupted(spec, since=0.65)
        result = bench.resumed(run)
        ok = result["exit code"] == 0 and result["batches"][0] == result["batches"][1]
        found.append({"ok": ok, **result})
        bench.drop(run)
    return found


def best(bench: Bench, rounds: int) -> list[Found]:
    """Whether the best checkpoint, kept before the kill, still is the one."""
    spec = PLAIN.but(best=True)
    found = []
    for _ in range(rounds):
        run = bench.interrupted(spec, since=0.65)
        result = bench.resumed(run)
        if result["exit code"] == 0:
            result["best"] = bench.framework.best(run.folder)
            result["best, uninterrupted"] = bench.framework.best(bench.straight(spec).folder)
        found.append({"ok": result["exit code"] == 0 and result["best"] == result["best, uninterrupted"], **result})
        bench.drop(run)
    return found


def curve(bench: Bench, rounds: int) -> list[Found]:
    """Whether the curve of all launches has each step once, with the value of what was trained in the end."""
    found = []
    for _ in range(rounds):
        run = bench.interrupted(PLAIN)
        result = bench.resumed(run)
        steps = [step for step, _ in bench.framework.curve(run.folder)]
        wanted = range(1, PLAIN.steps + 1)
        result["twice"] = len(steps) - len(set(steps))
        result["missing"] = len(set(wanted) - set(steps))
        found.append({"ok": result["exit code"] == 0 and not result["twice"] and not result["missing"], **result})
        bench.drop(run)
    return found


def validation(bench: Bench, rounds: int) -> list[Found]:
    """Whether a validation, and one that draws, leaves the training as it was without."""
    plain = PLAIN.but(dropout=0.4, augmentation="numpy", validation="no")
    without = bench.straight(plain)
    found = []
    for name in ("plain", "draws"):
        run = bench.straight(plain.but(validation=name))
        one, other = run.trained(), without.trained()
        same = sum(one[place]["loss"] == other[place]["loss"] for place in other)
        found.append({"variant": name, "ok": same == len(other), "same losses": [same, len(other)]})
    return found


def twice(bench: Bench, rounds: int) -> list[Found]:
    """Whether two uninterrupted runs are equal: what all of this rests on."""
    run = bench.run(PLAIN.but(dropout=0.4, augmentation="numpy"))
    code = run.launch().wait()
    result = {"ok": code == 0, "exit code": code}
    if code == 0:
        result |= bench.compared(run)
        result["ok"] = result["equal"]
    return [result]


NEAR, FAR, FAR_STEPS = 12, 600, 1000


def far(bench: Bench, rounds: int) -> list[Found]:
    """What a launch reads, and how long it takes, until the first batch is trained on, near and far into an epoch."""
    found: list[Found] = []
    for name, at, every in (("near", NEAR, NEAR // 2), ("far", FAR, FAR // 2)):
        run = bench.run(PLAIN.but(epochs=1, batches=FAR_STEPS, save_every=every, validation="no"))
        first = run.launch()
        first.reach(at + 4)
        first.kill()
        launch = run.launch(changes={"pause": 0.05})
        launch.reach(2)
        launch.kill()
        found.append({"variant": name, "ok": False, "resumed at batch": launch.start} | _first(run, launch))
        bench.drop(run)
    spare = 4 * 8  # a batch or two that are read ahead
    ok = found[1]["samples read before the first batch"] is not None
    ok = ok and found[1]["samples read before the first batch"] <= spare
    return [{**each, "ok": ok} for each in found]


def _first(run: Run, launch: Any) -> Found:
    batches = launch.batches
    if not batches:
        return {"samples read before the first batch": None, "error": launch.error}
    return {
        "samples read before the first batch": batches[0]["reads"],
        "seconds to the first batch": round(batches[0]["at"] - launch.started, 2),
    }


row("early-stopping", STATE, "early stopping ends the run at the same step", early_stopping)
row("best", STATE, "the best checkpoint, kept before the kill, is still the best", best)
row("curve", STATE, "the logged curve: no step twice, none missing", curve)
row("far", STATE, f"resumed at batch {FAR:,} of {FAR_STEPS:,}: no skipped sample is read", far)
row("validation", STATE, "a validation, and one that draws numbers, leaves the training as it was", validation)
row("twice", STATE, "two uninterrupted runs are equal (what the rows above rest on)", twice)
