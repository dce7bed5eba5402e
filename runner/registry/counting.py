"""What is in the registries, in numbers."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from runner.kinds import registries
from runner.plugin import default_plugins
from runner.registry.registry import Registry

__all__ = ["count_registered_modules", "traverse_registry_tree"]


def traverse_registry_tree(registry: Registry, verbose: bool = True) -> list[dict[str, Any]]:
    """Who offers what in a registry; nothing is imported for it.

    Args:
        registry: The registry, or one below it.
        verbose: Write how many there are to the standard output.

    Returns:
        For each plugin, and for code of this process, `num_modules`, `scope`, and the names by the folder that they lie in.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in default_plugins().catalog.entries():
        if entry.registry == registry.root.name:
            info = found.setdefault(entry.plugin, {"num_modules": 0, "scope": entry.plugin})
            info["num_modules"] += 1
            folder = "/".join(entry.target.partition(":")[0].split(".")[:-1])
            info.setdefault(folder, []).append(entry.name)
    if verbose:
        for scope, info in found.items():
            sys.stdout.write(f"{info['num_modules']} modules in {scope}'s '{registry.root.name}' registry\n")
    return list(found.values())


def count_registered_modules(save_path: str | Path | None = None, verbose: bool = True) -> dict[str, Any]:
    """Who offers what in all registries.

    Args:
        save_path: A folder, for a file `modules_statistic_results.json`.
        verbose: Write how many there are to the standard output.

    Returns:
        `scan_date`, and under `registries` what `traverse_registry_tree` gives for each.
    """
    listed = {name: traverse_registry_tree(Registry(name, scope="runner"), verbose) for name in registries()}
    counted = {"scan_date": dt.datetime.now().strftime("%Y-%m-%d %H:%M:%S"), "registries": listed}  # noqa: DTZ005 - shown
    if save_path is not None:
        file = Path(save_path, "modules_statistic_results.json")
        file.write_text(f"{json.dumps(counted, indent=2)}\n", encoding="utf-8")
    return counted
