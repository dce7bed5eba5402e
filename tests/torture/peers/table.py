"""The results as tables of Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["evidence", "tables", "update"]

Found = dict[str, Any]

MARKS = re.compile(r"(<!-- measured: scoreboard -->\n).*?(<!-- end -->)", re.DOTALL)

ANSWERS = {"yes": "yes", "no": "**no**", "partly": "*partly*", "-": "has none", None: "?"}


def tables(results: dict[str, Any]) -> str:
    """All tables: what was measured with what, then a table for each group of rows."""
    frameworks, rows = results["frameworks"], results["rows"]
    found = [_versions(results)]
    for group in dict.fromkeys(row["group"] for row in rows.values()):
        found.append(f"\n### {group}\n\n")
        head = ["", *(each["name"] for each in frameworks.values())]
        cells = [
            [row["title"], *(_cell(name, framework["cells"].get(name)) for framework in frameworks.values())]
            for name, row in rows.items()
            if row["group"] == group
        ]
        found.append(_table(head, cells))
    return "".join(found)


def update(page: str, results: dict[str, Any]) -> str:
    """A page with its tables as the results are."""
    return MARKS.sub(lambda match: f"{match[1]}\n{tables(results)}\n{match[2]}", page)


def _versions(results: dict[str, Any]) -> str:
    rows = []
    for each in results["frameworks"].values():
        versions = ", ".join(f"{name} {version}" for name, version in each["versions"].items())
        rows.append([each["name"], versions, each["settings"]])
    about = results["on"]
    return (
        _table(["Framework", "Version", "How it resumes here"], rows)
        + f"\ntorch {about['torch']}, Python {about['python']}.\n"
    )


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


def _cell(name: str, cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not run"
    said = evidence(name, cell["rounds"])
    return f"{ANSWERS[cell['answer']]}: {said}" if said else ANSWERS[cell["answer"]]


def evidence(name: str, rounds: list[Found]) -> str:
    """What the rounds of a row show, in a few words."""
    if not rounds:
        return ""
    if len(rounds) == 1 and rounds[0].keys() == {"ok", "error"}:
        return rounds[0]["error"]
    return SAID.get(name, _equal)(rounds)


def _share(rounds: list[Found]) -> str:
    return f"{sum(bool(each['ok']) for each in rounds)} of {len(rounds)}"


def _error(text: str) -> str:
    """An error by its class, where it has one."""
    match = re.match(r"(?:\w+\.)*(\w+(?:Error|Exception))\b", text)
    return f"`{match[1]}`" if match else "an error" if text.startswith("error") else text.partition(":")[0][:60]


def _range(values: list[float]) -> str:
    least, most = f"{min(values):.1g}", f"{max(values):.1g}"
    return most if least == most else f"{least} to {most}"


def _equal(rounds: list[Found]) -> str:
    wrong = [each for each in rounds if not each["ok"]]
    if not wrong:
        return _share(rounds)
    said = [_share(rounds)]
    named = sorted({each["variant"] for each in wrong})
    if len(named) < len({each["variant"] for each in rounds}):
        said.append("not with " + ", ".join(named))
    differences = [each["largest difference"] for each in wrong if each.get("largest difference") is not None]
    if differences:
        said.append(f"weights differ by {_range(differences)}")
    if any(each.get("same data") and each["same data"][0] < each["same data"][1] for each in wrong):
        same, of = (sum(each["same data"][place] for each in wrong if each.get("same data")) for place in (0, 1))
        said.append(f"{of - same} of {of} batches hold other data")
    said += sorted({_error(each["error"]) for each in wrong if each.get("error")})
    return "; ".join(said)


def _early(rounds: list[Found]) -> str:
    trained = sorted({tuple(each["batches"]) for each in rounds if not each["ok"] and "batches" in each})
    return "; ".join([_share(rounds), *(f"ended after batch {one} instead of {other}" for one, other in trained)])


def _best(rounds: list[Found]) -> str:
    wrong = [f"{each.get('best')} instead of {each.get('best, uninterrupted')}" for each in rounds if not each["ok"]]
    return "; ".join([_share(rounds), *sorted(set(wrong))])


def _curve(rounds: list[Found]) -> str:
    twice, missing = (sum(each.get(what, 0) for each in rounds) for what in ("twice", "missing"))
    told = [f"steps twice: {twice}"] * bool(twice) + [f"steps missing: {missing}"] * bool(missing)
    return "; ".join([_share(rounds), *told])


def _far(rounds: list[Found]) -> str:
    near, far = rounds
    if far["samples read before the first batch"] is None:
        return _error(far["error"])
    return f"{far['samples read before the first batch']:,} samples read before it, {near['samples read before the first batch']} at batch {near['resumed at batch']}"


def _validation(rounds: list[Found]) -> str:
    told = {"plain": "a plain one", "draws": "one that draws"}
    wrong = [each for each in rounds if not each["ok"]]
    return "; ".join(
        f"{told[each['variant']]}: {each['same losses'][1] - each['same losses'][0]} of {each['same losses'][1]} losses differ"
        for each in wrong
    )


WENT_ON = {"loaded it": "went on from the newest", "fell back": "went on from the one before"}
LOADED = {"loaded it": "loaded without a word", "fell back": "went on from the one before"}


def _outcomes(rounds: list[Found], words: dict[str, str] = LOADED) -> str:
    told = Counter(
        _error(each["error"])
        if each["outcome"] == "error"
        else words.get(each["outcome"], each["outcome"])
        + (f", exit code {each['exit code']}" * bool(each["exit code"]))
        for each in rounds
    )
    return f"{_share(rounds)}; {_counted(told)}"


def _counted(told: Counter[str]) -> str:
    return ", ".join(f"{what} ({count})" if len(told) > 1 else what for what, count in told.most_common())


def _writes(rounds: list[Found]) -> str:
    named = sum(bool(each["damaged under final name"]) for each in rounds)
    said = _outcomes(rounds, WENT_ON)
    return f"{said}; a damaged file under its final name ({named})" if named else said


def _full(rounds: list[Found]) -> str:
    first = Counter(
        f"exit code {each['exit code, full']}"
        + ("" if each["checkpoint before untouched"] else ", the checkpoint before is gone or changed")
        for each in rounds
    )
    return f"{_outcomes(rounds, WENT_ON)}; in the save {_counted(first)}"


def _stopped(rounds: list[Found]) -> str:
    codes = sorted({each["exit code"] for each in rounds if "exit code" in each})
    saved = [each for each in rounds if each["variant"] == "saved"]
    said = [f"exit code {', '.join(map(str, codes))}"]
    said.append("saved" if all(each["ok"] for each in saved) else "nothing saved")
    if any(each["ok"] and not each["equal"] for each in saved):
        said.append("what is resumed ends differently")
    return "; ".join(said)


def _two(rounds: list[Found]) -> str:
    each = rounds[0]
    codes = f"exit codes {each['exit codes'][0]} and {each['exit codes'][1]}"
    trained = each["batches of the second"]
    return f"{codes}; the second " + (f"trained on {trained} batches" if trained else "was refused")


def _typos(rounds: list[Found]) -> str:
    said = [_share(rounds)]
    for told in ("silent", "after training began"):
        names = [f"`{each['variant']}`" for each in rounds if each["found"] == told]
        if names:
            said.append(f"{told}: {', '.join(names)}")
    return "; ".join(said)


def _malicious(rounds: list[Found]) -> str:
    ran = [each["variant"] for each in rounds if not each["ok"]]
    return "; ".join([_share(rounds), *([f"ran: {', '.join(ran)}"] if ran else [])])


SAID: dict[str, Callable[[list[Found]], str]] = {
    "early-stopping": _early,
    "best": _best,
    "curve": _curve,
    "far": _far,
    "validation": _validation,
    "write": _writes,
    "write-one": _writes,
    "write-elsewhere": _writes,
    "truncated": _outcomes,
    "flipped": _outcomes,
    "all-damaged": _outcomes,
    "full": _full,
    "sigterm": _stopped,
    "two": _two,
    "typo": _typos,
    "malicious": _malicious,
}
