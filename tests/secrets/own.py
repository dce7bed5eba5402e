"""Code beside a config that is told a secret, and is careless with it."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.utils.data import Dataset

from runner import DATASETS, HOOKS, MODELS, Hook
from runner.model import BaseModel


@DATASETS.register_module()
class Tokens(Dataset):
    """Data behind a token.

    Args:
        token: What opens it.
        fails: Where it raises an error that names the token: `constructor`, `item` or `never`.
    """

    def __init__(self, token: str, fails: str = "never") -> None:
        if fails == "constructor":
            raise ValueError(f"the server refused {token}")
        self.token, self.fails = token, fails
        self.metainfo = {"source": f"https://me:{token}@host/data", "classes": ["a"]}

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if self.fails == "item":
            raise RuntimeError(f"no answer to {self.token!r}")
        return {"inputs": torch.ones(2)}


@MODELS.register_module()
class Net(BaseModel):
    """One layer."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.net = nn.Linear(2, 1)

    def forward(self, inputs, samples=None, mode="tensor"):
        out = self.net(inputs)
        return {"loss": out.square().mean()} if mode == "loss" else out


@HOOKS.register_module()
class Talks(Hook):
    """Says what it was told, wherever it can."""

    def __init__(self, token: str) -> None:
        self.token = token

    def before_train(self, runner):
        runner.logger.info("logged in with %s", self.token)
        runner.logger.warning("fields", token=self.token, all={"a": [self.token]})
        print("printed", self.token)  # noqa: T201 - what a user's code does
        warnings.warn(f"warned of {self.token}", stacklevel=1)
        try:
            raise ValueError(self.token)  # noqa: TRY301 - as careless code does
        except ValueError:
            runner.logger.exception("went wrong")
