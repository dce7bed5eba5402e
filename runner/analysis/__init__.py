"""How large a model is and how much it computes: parameters, FLOPs and activations by module.

- `recorder.py`: one forward pass, watched operator by operator
- `analyzers.py`: what is counted of it
- `handles.py`: how each operator counts
- `tables.py`: counts as text

A multiplication with its addition counts as one FLOP, as in MMEngine and fvcore; torch's `FlopCounterMode`, whose formulas
these are, counts two.
"""

from __future__ import annotations

from runner.analysis.analyzers import (
    ActivationAnalyzer,
    FlopAnalyzer,
    activation_count,
    flop_count,
    parameter_count,
)
from runner.analysis.complexity import get_model_complexity_info
from runner.analysis.tables import complexity_stats_str, complexity_stats_table, parameter_count_table

__all__ = [
    "ActivationAnalyzer",
    "FlopAnalyzer",
    "activation_count",
    "complexity_stats_str",
    "complexity_stats_table",
    "flop_count",
    "get_model_complexity_info",
    "parameter_count",
    "parameter_count_table",
]
