"""What is said of torch's modules beyond their annotations is what torch itself refuses."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from runner.plugin.torch_nn import SCHEMAS

FOUR = (
    "in_channels out_channels in_features out_features num_features num_embeddings embedding_dim num_channels input_size "
    "hidden_size embed_dim"
)
NEEDED = {**dict.fromkeys(FOUR.split(), 4), "kernel_size": 2, "num_groups": 1, "num_heads": 1, "upscale_factor": 2}
NEEDED |= {"groups": 1, "size": 2}
FRACTIONS = {"p", "dropout", "label_smoothing", "beta"}
IGNORED = {("MultiheadAttention", "dropout"), ("CrossEntropyLoss", "label_smoothing")}
"""Where torch does the same for a share below zero as for zero, though its own messages speak of 0 to 1."""
TINY = 1e-3


def rows():
    for name, schema in SCHEMAS.items():
        for argument, said in schema["properties"].items():
            sizes = said.get("anyOf", [said])[0]
            if "minimum" in sizes and (name[3:], argument) not in IGNORED:
                yield name[3:], argument, sizes["minimum"], -TINY if argument in FRACTIONS else -1
            if "maximum" in sizes:
                yield name[3:], argument, sizes["maximum"], TINY
            if "exclusiveMinimum" in sizes:
                yield name[3:], argument, sizes["exclusiveMinimum"] + 0.5, -0.5


def use(name, **arguments):
    """Build a module and call it on what it is for."""
    cls = getattr(nn, name)
    taken = inspect.signature(cls).parameters
    if name in {"RNN", "LSTM", "GRU"}:
        taken = inspect.signature(nn.RNNBase).parameters
    given = {key: value for key, value in NEEDED.items() if key in taken} | arguments
    module = cls(**given)
    rank = int(name[-2]) if name[-2:] in {"1d", "2d", "3d"} else 2
    width = given.get("in_channels", given.get("num_features", given.get("num_channels", 4)))
    image = torch.zeros(2, width, *[4] * rank)
    if name.endswith("Loss"):
        return module(torch.zeros(2, 3), torch.zeros(2, 3))
    if name == "Embedding":
        return module
    if name == "MultiheadAttention":
        return module(*[torch.zeros(2, 2, given["embed_dim"])] * 3)
    if name in {"Linear", "RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"} or name.endswith("Dropout"):
        return module(torch.zeros(2, given.get("in_features", 4)))
    return module(image)


@pytest.mark.filterwarnings("ignore")  # of modules without elements, and of dropout without a second layer
@pytest.mark.parametrize(("name", "argument", "bound", "beyond"), list(rows()))
def test_torch_refuses_what_is_beyond_a_bound_and_takes_what_is_on_it(name, argument, bound, beyond):
    use(name, **{argument: bound})
    with pytest.raises((ValueError, RuntimeError, ArithmeticError, IndexError)):
        use(name, **{argument: bound + beyond})


@pytest.mark.parametrize("name", SCHEMAS)
def test_modules_have_the_arguments_that_are_bounded(name):
    taken = inspect.signature(getattr(nn, name[3:])).parameters
    if "args" in taken:
        taken = inspect.signature(nn.RNNBase).parameters
    assert taken.keys() >= SCHEMAS[name]["properties"].keys()
