"""Whatever a config holds, `check` gives problems with places, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config import compose
from runner.validation import check, fields, render_json, render_text

WORDS = [
    "type",
    "optimizer",
    "sampler",
    "dataset",
    "transform",
    "metrics",
    "by_epoch",
    "SGD",
    "Digits",
    "Accuracy",
    "Evaluator",
    "DefaultSampler",
    "RandomCrop",
    "lr",
    "size",
    "clip_grad",
    "paramwise_cfg",
    "constructor",
    "custom_keys",
    "checkpoint",
    "interval",
    "imports",
    "enable",
    "fp16",
    "model.py",
]

scalars = st.none() | st.booleans() | st.integers(-3, 70) | st.floats() | st.sampled_from(WORDS) | st.text(max_size=6)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
configs = st.dictionaries(st.sampled_from(fields.names()) | st.text(max_size=8), values, max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(config=configs)
def test_anything_at_all(catalog, config):
    composition = compose("cfg.json", text=json.dumps(config), file_format=".json")
    problems = check(composition, catalog)
    assert all(problem.origin is not None and problem.message for problem in problems)
    assert [(problem.origin.line, problem.origin.column) for problem in problems] == sorted(
        (problem.origin.line, problem.origin.column) for problem in problems
    )
    assert render_text(problems, composition.sources).count("[") >= len(problems)
    json.dumps(render_json(problems), allow_nan=False)


def test_torch_stays_out():
    case = Path(__file__).parent.parent / "cases" / "valid" / "everything.yaml"
    code = (
        "import sys\nfrom runner.config import compose\nfrom runner.validation import check\n"
        f"assert check(compose({str(case)!r})) == []\nassert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
