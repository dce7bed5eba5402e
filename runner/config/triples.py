"""Fields of a config that are given together or not at all."""

from __future__ import annotations

__all__ = ["TRIPLES"]

TRIPLES = (
    ("train_dataloader", "train_cfg", "optim_wrapper"),
    ("val_dataloader", "val_cfg", "val_evaluator"),
    ("test_dataloader", "test_cfg", "test_evaluator"),
)
"""A loop, its data, and what is done with the outputs: of training, of validation, of testing."""
