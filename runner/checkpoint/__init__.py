"""What a run leaves on the disk, and how it is read back.

- `format.py`: what a checkpoint may hold
- `store.py`, `contents.py`, `index.py`: a folder of checkpoints that survives kills, full disks and flipped bits
- `storage.py`, `remote.py`, `place.py`: where that folder may be: a file system, or a remote store
- `loader.py`, `inert.py`: reading, our own and foreign ones, without running anything
- `weights.py`: weights into a model
- `snapshot.py`: a run as a checkpoint, and back
"""

from __future__ import annotations

from runner.checkpoint.format import to_plain
from runner.checkpoint.inert import Inert
from runner.checkpoint.loader import load
from runner.checkpoint.store import CheckpointStore, find_latest_checkpoint
from runner.checkpoint.weights import WeightReport, load_checkpoint, load_state_dict

__all__ = [
    "CheckpointStore",
    "Inert",
    "WeightReport",
    "find_latest_checkpoint",
    "load",
    "load_checkpoint",
    "load_state_dict",
    "to_plain",
]
