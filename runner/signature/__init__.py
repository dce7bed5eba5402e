"""A constructor's signature, read from its source text: nothing of the target is imported.

`describe` (from the cache, or by `reader`) finds a definition (`locate`, `modules`), its bases (`classes`), its arguments
(`constructor`, `handing`), and turns annotations into JSON Schema (`annotation`, `shapes`, `bounds`, `fragments`),
defaults into values (`defaults`), docstrings into descriptions (`docstring`). `live` does the same for classes of this
process, `local` lists what a file under `custom_imports` registers.
"""

from __future__ import annotations

from pathlib import Path

from runner.signature.describe import describe
from runner.signature.record import REQUIRED, UNKNOWN, LocalFile, Parameter, Signature

__all__ = ["REQUIRED", "UNKNOWN", "LocalFile", "Parameter", "Signature", "describe", "scan"]


def scan(file: Path) -> LocalFile:
    """List what a file registers, without running it.

    Args:
        file: A Python file, or a package's folder or `__init__.py`.

    Raises:
        SignatureError: It does not exist, or its text is no Python.
    """
    from runner.signature.local import scan_file

    return scan_file(file)
