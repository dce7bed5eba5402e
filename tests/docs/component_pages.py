"""One page a group of components, made from the signatures and docstrings that the schemas are made from.

`python tests/docs/component_pages.py` writes them; the tests hold them against the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.cli.describe import _parameters
from runner.kinds import KINDS
from runner.plugin import Entry, default_plugins
from runner.plugin.optimizers import THIRD_PARTY
from runner.signature import Signature, describe

__all__ = ["FOLDER", "pages"]

FOLDER = Path(__file__).parents[2] / "docs" / "components"

GROUPS: Mapping[str, Sequence[str]] = {
    "running": ("runner", "loop", "launcher", "strategy", "inferencer"),
    "hooks": ("hook",),
    "models": ("model", "data_preprocessor", "averaged_model", "tta_model", "model_wrapper", "weight_init"),
    "optimizers": ("optim_wrapper", "optim_wrapper_constructor", "optimizer"),
    "schedulers": ("param_scheduler",),
    "data": ("dataset", "sampler", "batch_sampler", "transform", "function", "storage"),
    "evaluation": ("evaluator", "metric", "log_processor", "visualizer", "vis_backend", "task_util"),
}
"""What stands on which page, by the components' kinds."""


def pages() -> dict[str, str]:
    """Every page's text by its file name."""
    made = {f"{name}.md": _page(name, kinds) for name, kinds in GROUPS.items()}
    return {**made, "README.md": _index(made)}


def _index(made: Mapping[str, str]) -> str:
    """Where each component is described."""
    lines = [
        "# Components",
        "",
        "What comes with the project, and what each takes; `runner describe TYPE` prints the same, for what plugins bring too.",
        "These pages are made from the code by `python tests/docs/component_pages.py`.",
        "",
        "| Page | Components |",
        "| --- | --- |",
    ]
    for file, text in made.items():
        names = re.findall(r"(?m)^### (\S+)$", text)
        if names:
            lines.append(f"| [{file.removesuffix('.md')}]({file}) | {', '.join(f'`{name}`' for name in names)} |")
    return "\n".join(lines) + "\n"


def _page(name: str, kinds: Sequence[str]) -> str:
    lines = [f"# {name.capitalize()}", ""]
    for kind in kinds:
        entries = [
            each for each in default_plugins().catalog.entries() if each.plugin == "runner" and each.kind == kind
        ]
        if entries:
            lines += [f"## `{kind}`", "", KINDS[kind].doc, ""]
            lines += _kind(entries)
    return "\n".join(lines).rstrip() + "\n"


def _kind(entries: Sequence[Entry]) -> Iterator[str]:
    # What torch's own constructors take depends on its version, and stands in its documentation.
    # What else is installed where this is written has no place here.
    elsewhere = {name for targets in THIRD_PARTY.values() for name in targets}
    foreign = [each.name for each in entries if not each.target.startswith("runner.") and each.name not in elsewhere]
    for entry in sorted(entries, key=lambda each: each.name):
        if entry.target.startswith("runner."):
            yield from _component(entry)
    if foreign:
        yield f"Of other packages, with the arguments that they document: {', '.join(f'`{name}`' for name in sorted(foreign))}."
        yield ""


def _component(entry: Entry) -> Iterator[str]:
    signature = describe(entry.target, catalog=default_plugins().catalog)
    yield from (f"### {entry.name}", "", signature.summary, "")
    rows = _parameters(entry, signature)
    if rows:
        yield from ("| Parameter | Type | Default | |", "| --- | --- | --- | --- |")
        for row in rows:
            yield f"| `{row['name']}` | {_type(row)} | {_default(row, signature)} | {_cell(row['description'])} |"
        yield ""


def _type(row: Mapping[str, Any]) -> str:
    """An annotation without the marks that stand beside a type: a bound is written as one, a slot as what it takes."""
    text = row["annotation"]
    bound = re.compile(r"Annotated\[([^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*), Interval\(([^()]*)\)\]")
    slot = re.compile(r"Annotated\[(.*), Slot\(['\"](\w+)['\"]\)\]")
    text = slot.sub(r"\2", bound.sub(lambda found: f"{found[1]} {_bound(found[2])}", text))
    return f"`{_cell(text)}`" if text else ""


def _bound(text: str) -> str:
    """`ge=0, lt=1` as `>= 0 and < 1`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    pairs = [each.split("=", 1) for each in text.split(", ")]
    return " and ".join(f"{signs[name]} {value}" for name, value in pairs)


def _default(row: Mapping[str, Any], signature: Signature) -> str:
    if row["required"]:
        return "required"
    parameter = signature.parameter(row["name"])
    text = json.dumps(row["default"]) if "default" in row else parameter.default_text if parameter is not None else ""
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.md"):
        stale.unlink()
    for file, text in pages().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
