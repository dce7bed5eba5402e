"""A trained model as files that need none of this package.

program.py    the model's forward as a program of torch.export, held against the original
batch.py      what it is called with: a batch of the test data
exporting.py  all files of an export, with a manifest; the weights go through runner.checkpoint.safetensors_file
"""

from __future__ import annotations

from runner.checkpoint.safetensors_file import read_safetensors, write_safetensors
from runner.export.exporting import Exported, export_model
from runner.export.program import Program, trace

__all__ = ["Exported", "Program", "export_model", "read_safetensors", "trace", "write_safetensors"]
