"""A trained model made easy to call.

inferencer.py   the contract: preprocess, forward, visualize, postprocess
default.py      what `runner predict` uses where the config names no other
model.py        a config's model, built alone
pipeline.py     the transforms of a config's data set
zoo.py          models that plugins list by name
metafile.py     the lists of models that packages ship
"""

from __future__ import annotations

from runner.infer.default import DefaultInferencer
from runner.infer.inferencer import BaseInferencer

__all__ = ["BaseInferencer", "DefaultInferencer"]
