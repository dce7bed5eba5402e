"""What a run records and what a person sees of it.

- `message_hub.py`, `history_buffer.py`: values recorded at each step, read at log intervals, saved in checkpoints
- `log_processor.py`: recorded values -> a line of the log
- `logger.py`: where lines go: the console, a text file, JSON lines
- `bridge.py`: what our modules say through the standard library's `logging`
- `console.py`: the terminal: the progress line, and the summary of a finished run
- `scalars.py`: reads back what all launches in a work directory logged
- `current.py`: the hub and the logger of the Runner at work
"""

from __future__ import annotations

from runner.logging.console import Console
from runner.logging.history_buffer import HistoryBuffer
from runner.logging.log_processor import LogProcessor
from runner.logging.logger import MMLogger, print_log
from runner.logging.message_hub import MessageHub
from runner.logging.scalars import read_scalars

__all__ = ["Console", "HistoryBuffer", "LogProcessor", "MMLogger", "MessageHub", "print_log", "read_scalars"]
