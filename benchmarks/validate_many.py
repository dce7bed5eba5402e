"""Many validations of one 300-line config in one process, each with another value changed.

    python benchmarks/validate_many.py [--repetitions 1000]

No two texts are equal, so that no result can be remembered. The part that is not YAML parsing is what is left when the
time is taken off that ruamel.yaml alone needs for the same text, measured right after.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from pathlib import Path

CONFIG = Path(__file__).with_name("validate_many.yaml")
TOTAL, OWN = 60.0, 20.0
"""The targets, in ms: at most this much for one validation after the first, and for what is not YAML parsing."""

_NUMBER = re.compile(r"(?<=: )[0-9]+(?:\.[0-9]+)?$", re.MULTILINE)
_WORD = re.compile(r"(?<=: )[A-Za-z_]+$", re.MULTILINE)


def variants(text: str, count: int) -> list[tuple[str, str]]:
    """As many texts, no two alike, with what was changed in each: numbers made larger, every fourth time a word longer."""
    numbers, words = list(_NUMBER.finditer(text)), list(_WORD.finditer(text))
    made = []
    for index in range(count):
        kind, places = ("word", words) if index % 4 == 3 else ("number", numbers)
        turn, place = divmod(index // 4 if kind == "word" else index - index // 4, len(places))
        match = places[place]
        if kind == "word":
            changed = match[0] + "x" * (turn + 1)
        elif "." in match[0]:
            changed = f"{match[0]}{turn + 1:03}"
        else:
            changed = str(int(match[0]) + turn + 1)
        made.append((kind, text[: match.start()] + changed + text[match.end() :]))
    return made


def measure(texts: list[tuple[str, str]]) -> dict[str, list[tuple[float, float, int]]]:
    """Total ms, ms that are not YAML parsing, and the number of problems, of each validation by what was changed."""
    from ruamel.yaml import YAML

    from runner.config import compose
    from runner.validation import check

    found: dict[str, list[tuple[float, float, int]]] = {}
    for kind, text in texts:
        start = time.perf_counter()
        problems = check(compose(str(CONFIG), text=text))
        total = time.perf_counter() - start
        start = time.perf_counter()
        for _ in YAML(typ="safe", pure=True).parse(text):
            pass
        parsing = time.perf_counter() - start
        found.setdefault(kind, []).append((1000 * total, 1000 * (total - parsing), len(problems)))
    return found


def first(text: str) -> tuple[float, int]:
    """The first validation, with the import of what it needs: ms, and the number of problems."""
    start = time.perf_counter()
    from runner.config import compose
    from runner.validation import check

    problems = check(compose(str(CONFIG), text=text))
    return 1000 * (time.perf_counter() - start), len(problems)


def report(name: str, rows: list[tuple[float, float, int]]) -> None:
    totals, own = sorted(row[0] for row in rows), sorted(row[1] for row in rows)
    tenth = len(rows) * 9 // 10
    print(
        f"{name}: {len(rows)} validations, {statistics.median(totals):.1f} ms each (nine of ten within "
        f"{totals[tenth]:.1f}), of which not YAML parsing {statistics.median(own):.1f} ms (nine of ten within "
        f"{own[tenth]:.1f}); {sum(row[2] > 0 for row in rows)} with problems"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    options = parser.parse_args()
    text = CONFIG.read_text(encoding="utf-8")
    milliseconds, problems = first(text)
    print(f"{len(text.splitlines())} lines, {problems} problems; the first, imports included: {milliseconds:.1f} ms")
    texts = variants(text, options.repetitions)
    assert len({variant for _, variant in texts} | {text}) == len(texts) + 1
    found = measure(texts)
    for kind, rows in found.items():
        report(f"a {kind} changed", rows)
    rows = [row for each in found.values() for row in each]
    report("all", rows)
    total, own = (statistics.median(row[column] for row in rows) for column in (0, 1))
    print(
        f"targets: {TOTAL:g} ms {'kept' if total <= TOTAL else 'MISSED'}, {OWN:g} ms without YAML parsing "
        f"{'kept' if own <= OWN else 'MISSED'}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
