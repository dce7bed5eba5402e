"""Problems as SARIF 2.1.0, the format of static analysis results that code hosts and editors read.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner.errors import Location, Problem
from runner.validation.explain import codes, explain
from runner.validation.report import Report, each_once, in_a_file, slashed

__all__ = ["render_sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"

_REPLACEABLE = frozenset({"not-allowed", "undefined-alias", "unknown-key", "unknown-plugin", "unknown-type"})
"""Codes whose suggestion is what should stand where the problem is; others suggest a file, or a key elsewhere."""


def render_sarif(reports: Sequence[Report], root: Path) -> dict[str, Any]:
    """One run with a rule for each code that occurs, and a result for each problem.

    Files are named from `root`. What stands in no file (an override, a broken plugin) is shown at the beginning of the
    config. A result has a fix where another word in the same place is all that is needed.

    Args:
        reports: What was found, by config.
        root: The repository's folder.
    """
    found = list(each_once(reports))
    names = sorted({problem.code for _, problem in found})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "yaml-runner",
                        "version": version("yaml-runner"),
                        "rules": [_rule(code) for code in names],
                    }
                },
                "invocations": [{"executionSuccessful": True}],
                "originalUriBaseIds": {_ROOT: {"uri": f"{root.absolute().as_uri().rstrip('/')}/"}},
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": _artifact(report.config, root)} for report in reports],
                "results": [_result(report, problem, names.index(problem.code), root) for report, problem in found],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    """A code as a rule, explained by its page; a plugin's own codes have none."""
    rule: dict[str, Any] = {"id": code, "name": "".join(map(str.capitalize, code.split("-")))}
    if code not in codes():
        told = "A plugin reports this."
        return {**rule, "shortDescription": {"text": told}, "help": {"text": told}}
    page = explain(code)
    means = " ".join(page.split("\n\n")[1].split())
    return {
        **rule,
        "shortDescription": {"text": re.split(r"(?<=\.)\s", means, maxsplit=1)[0]},
        "fullDescription": {"text": means},
        "help": {"text": _without_markup(page), "markdown": page},
    }


def _without_markup(page: str) -> str:
    return re.sub(r"(?m)^(#+ |```\w*\n?)", "", page).strip()


def _result(report: Report, problem: Problem, rule: int, root: Path) -> dict[str, Any]:
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    origin = problem.origin
    if origin is None or not in_a_file(origin):
        message = f"{origin}: {message}" if origin else message
        origin = Location(file=report.config, line=1, column=1)
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": message},
        "locations": [_location(origin, problem.path, report.sources, root)],
        "partialFingerprints": {"problem/v1": _fingerprint(problem, slashed(origin.file, root))},
    }
    if origin.via is not None and in_a_file(origin.via):
        told = {"id": 1, "message": {"text": "where the value comes from"}}
        result["relatedLocations"] = [{**told, "physicalLocation": _physical(origin.via, report.sources, root)}]
    replacement = _replacement(problem, report.sources)
    if replacement is not None:
        change = {"deletedRegion": _region(origin, {}), "insertedContent": {"text": replacement}}
        fix = {"artifactLocation": _artifact(origin.file, root), "replacements": [change]}
        told = {"text": f"Write '{problem.suggestion}'."}
        result["fixes"] = [{"description": told, "artifactChanges": [fix]}]
    return result


def _location(origin: Location, path: str, sources: Mapping[str, str], root: Path) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": _physical(origin, sources, root)}
    if path:
        location["logicalLocations"] = [{"fullyQualifiedName": path, "kind": "member"}]
    return location


def _physical(origin: Location, sources: Mapping[str, str], root: Path) -> dict[str, Any]:
    return {"artifactLocation": _artifact(origin.file, root), "region": _region(origin, sources)}


def _artifact(file: str, root: Path) -> dict[str, Any]:
    name = slashed(file, root)
    if Path(name).is_absolute():
        return {"uri": Path(name).as_uri()}
    return {"uri": quote(name), "uriBaseId": _ROOT}


def _region(origin: Location, sources: Mapping[str, str]) -> dict[str, Any]:
    end = origin.column + max(1, origin.width)
    region: dict[str, Any] = {"startLine": origin.line, "startColumn": origin.column}
    region |= {"endLine": origin.line, "endColumn": end}
    covered = _covered(origin, sources)
    return {**region, "snippet": {"text": covered}} if covered else region


def _covered(origin: Location, sources: Mapping[str, str]) -> str:
    """The text at a place."""
    lines = sources.get(origin.file, "").splitlines()
    if origin.line > len(lines):
        return ""
    return lines[origin.line - 1][origin.column - 1 : origin.column - 1 + max(1, origin.width)]


def _fingerprint(problem: Problem, file: str) -> str:
    """The same for the same problem, wherever the lines around it move."""
    return hashlib.sha256(f"{problem.code}\n{file}\n{problem.path}\n{problem.message}".encode()).hexdigest()


def _replacement(problem: Problem, sources: Mapping[str, str]) -> str | None:
    """What to write in the problem's place, where the suggestion stands for just what is written there."""
    origin = problem.origin
    if problem.code not in _REPLACEABLE or problem.suggestion is None or origin is None or origin.kind != "file":
        return None
    match = re.fullmatch(r"""(?P<mark>\*|["']|)(?P<word>[\w.-]+)(?P<end>["']?)""", _covered(origin, sources))
    if match is None or match["end"] != match["mark"].strip("*") or not re.fullmatch(r"[\w.-]+", problem.suggestion):
        return None
    if problem.code == "unknown-key" and not f".{problem.path}".endswith(f".{match['word']}"):
        return None
    return f"{match['mark']}{problem.suggestion}{match['end']}"
