"""Whether a config's run goes on bit for bit, tried out.

run.py           starts the processes: straight through, killed, resumed
part.py          one of these processes
witness.py       the hooks in it that write down what happens, and end it
fingerprint.py   any value as short texts that tell whether it is the same
findings.py      what differs between two processes' records, the first thing first
causes.py        what the difference probably comes from
"""

from __future__ import annotations

from runner.verify.run import Verdict, verify_resume

__all__ = ["Verdict", "verify_resume"]
