"""Whether an installed schema still says what is installed: a hash of the catalog, kept in the schema's `$comment`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runner.plugin import Catalog
from runner.signature.locate import find_module, stamp, texts
from runner.validation import fields

__all__ = ["comment", "fingerprint", "written"]

_WORDS = "written by `runner schema --install`, do not edit; fingerprint "
_LONGEST = 400


def fingerprint(catalog: Catalog, folders: Sequence[Path] = ()) -> str:
    """A hash that changes when the schema would.

    It covers the components on offer, their distributions' versions, and the size and time of the files that their
    targets name, so that it also changes while a plugin is being written. Nothing is imported or read.

    Args:
        catalog: The components on offer.
        folders: Where local files lie.
    """
    paths = [str(folder) for folder in folders]
    roots: dict[str, list[str] | None] = {}
    entries = sorted(
        (entry.kind, entry.qualified, entry.target, entry.force, json.dumps(entry.schema, sort_keys=True, default=repr))
        for entry in catalog
    )
    distributions = sorted({entry.distribution for entry in catalog if entry.distribution} | {"yaml-runner"})
    modules = sorted({entry.target.partition(":")[0] for entry in catalog})
    stamps = [(name, _stamps(find_module(name, paths, roots))) for name in modules]
    own = [(file.name, stamp(str(file))) for file in sorted(fields.folder().glob("*.json"))]
    facts = [entries, [(name, _version(name)) for name in distributions], stamps, own]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _stamps(places: Sequence[str] | None) -> list[tuple[int, int]]:
    files = [text for place in places or () for text in texts(place, stub=False)]
    return [found for found in map(stamp, files) if found is not None]


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def comment(mark: str) -> str:
    """What is written into a schema."""
    return _WORDS + mark


def written(file: Path) -> str | None:
    """The fingerprint in a schema file; None where there is no file, or none that `install` has written."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            start = stream.read(_LONGEST)
    except OSError:
        return None
    found = re.search(rf'"\$comment": "{re.escape(_WORDS)}(\w+)"', start)
    return found[1] if found else None
