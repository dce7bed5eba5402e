"""The command line: one module a command, loaded when it is called.

Exit codes of every command: 0 fine, 1 problems in the config, 2 wrong usage, 3 the run failed, 75 stopped by a signal
after a checkpoint was saved.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        argv: The arguments after the program's name; by default the process's.
    """
    from runner.cli.app import run

    sys.exit(run(sys.argv[1:] if argv is None else argv))
