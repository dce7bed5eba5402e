"""Breaks runs of this framework and of its peers in the same ways, and writes down what came of it.

    pip install -r tests/torture/peers/requirements.txt
    python tests/torture/peers/run.py --rounds 3 --seed 1

runs every row on each framework that is installed, puts the results into `results.json`, and the table into
`docs/scoreboard.md`. `--frameworks` and `--rows` choose; what was not chosen stays in the results as it was. Each
framework runs in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; also, a process with threads must not fork

import torch
from bench import Bench, Found
from parts import SEED
from rows import ROWS
from table import update

for each in ("resumption", "faults"):  # they add their rows
    import_module(each)

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[2] / "docs" / "scoreboard.md"
PACKAGES = {"runner": "runner", "mmengine": "mmengine", "lightning": "lightning", "transformers": "transformers"}


def tell(line: str) -> None:
    """Print a line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measure(name: str, rows: list[str], rounds: int, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Every row of one framework, in this process; what there is after each row."""
    framework = import_module(f"of_{name}")
    for module in framework.WARM:
        import_module(module)
    torch.set_num_threads(1)
    bench = Bench(framework, folder, seed)
    cells: dict[str, Any] = {}
    about = {"name": framework.NAME, "settings": framework.SETTINGS, "versions": framework.versions(), "cells": cells}
    for each in rows:
        row = ROWS[each]
        if row.needs is not None and not getattr(framework, row.needs):
            cells[each] = {"answer": "-", "seeds": [seed], "rounds": []}
            yield about
            continue
        bench.begin(each)
        started = time.monotonic()
        cells[each] = {"answer": None, "seeds": [seed], "rounds": _rounds(bench, each, rounds)}
        cells[each]["answer"] = answer(cells[each]["rounds"])
        tell(f"{name} {each}: {cells[each]['answer']} ({time.monotonic() - started:.0f} s)")
        yield about


def _rounds(bench: Bench, row: str, rounds: int) -> list[Found]:
    try:
        return ROWS[row].experiment(bench, rounds)
    except RuntimeError as error:  # the uninterrupted run failed: that is a result too
        return [{"ok": False, "error": str(error)[:300]}]


def answer(rounds: list[Found]) -> str:
    """Yes where every round says so, no where none does."""
    good = sum(bool(each["ok"]) for each in rounds)
    return "yes" if good == len(rounds) else "partly" if good else "no"


def joined(old: dict[str, Any] | None, new: dict[str, Any], *, add: bool) -> dict[str, Any]:
    """The results of a row, with those that were there if they are to be added to."""
    if not add or old is None or new["answer"] == "-":
        return new
    rounds = old["rounds"] + new["rounds"]
    return {"answer": answer(rounds), "seeds": old["seeds"] + new["seeds"], "rounds": rounds}


def apart(name: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, __file__, "--alone", name, "--out", str(out), "--seed", str(seed)]
        command += ["--rounds", str(options.rounds), "--rows", *options.rows]
        subprocess.run(command, check=True)
        return dict(json.loads(out.read_text(encoding="utf-8")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frameworks", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3, help="of each variant of a row")
    parser.add_argument("--add", action="store_true", help="add the rounds to those in the results; with another seed")
    parser.add_argument("--jobs", type=int, default=1, help="frameworks at a time")
    parser.add_argument("--seed", type=int, default=None, help="what all times are drawn from; default random")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=None, help="where the table goes; default the documentation")
    parser.add_argument("--alone", choices=PACKAGES, help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, default=None, help="keep every run there")
    parser.add_argument("--only-table", action="store_true", help="make the table of the results that are there")
    return parser.parse_args()


def main() -> int:
    """Run the rows; 0 if ours says yes to each of its own."""
    options = _options()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    if options.alone:
        folder = options.keep or Path(tempfile.mkdtemp(prefix="peers-"))
        folder.mkdir(parents=True, exist_ok=True)
        for found in measure(options.alone, options.rows, options.rounds, seed, folder):
            options.out.write_text(json.dumps(found, default=str), encoding="utf-8")
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        return 0
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {"frameworks": {}}
    if not options.only_table:
        tell(f"seed {seed}, {options.rounds} rounds of each variant")
        there = [name for name in options.frameworks if importlib.util.find_spec(PACKAGES[name]) is not None]
        for name in sorted(set(options.frameworks) - set(there)):
            tell(f"{name} is not installed: left out")
        with ThreadPoolExecutor(options.jobs) as pool:
            for name, new in zip(there, pool.map(lambda name: apart(name, options, seed), there), strict=True):
                old = results["frameworks"].get(name, {"cells": {}})["cells"]
                cells = {each: joined(old.get(each), cell, add=options.add) for each, cell in new["cells"].items()}
                results["frameworks"][name] = {**new, "cells": {**old, **cells}}
        results["rows"] = {name: {"group": row.group, "title": row.title} for name, row in ROWS.items()}
        results["on"] = {"torch": torch.__version__, "python": platform.python_version(), "seed of training": SEED}
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = options.page or (PAGE if options.out == RESULTS else None)
    if page is not None:
        page.write_text(update(page.read_text(encoding="utf-8"), results), encoding="utf-8")
    ours = results["frameworks"].get("runner", {"cells": {}})["cells"]
    wrong = [name for name, cell in ours.items() if cell["answer"] not in {"yes", "-"}]
    tell(f"ours: {len(ours) - len(wrong)} of {len(ours)} rows yes" + (f"; not: {', '.join(wrong)}" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
