"""Runs command lines one after the other in this process, and says how each ended: `python sequence.py JSON`.

What a run that failed has left is put right before the next: a limit to the size of files, a folder that can't be written to.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from runner.cli.app import run

if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        work_dir = Path(arguments[arguments.index("--work-dir") + 1])
        if work_dir.exists():
            work_dir.chmod(0o755)
        code = run(arguments)
        for stream in (sys.stdout, sys.stderr):
            stream.write(f"\n### {code}\n")
            stream.flush()
