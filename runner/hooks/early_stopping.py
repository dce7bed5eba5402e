"""Ends a training that no longer improves."""

from __future__ import annotations

from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Annotated, Any, Literal

from runner.errors import BuildError
from runner.hooks.best import Rule, infer_rule, missing_metric
from runner.hooks.hook import Hook
from runner.kinds import Interval

if TYPE_CHECKING:
    from runner.runner import Runner

__all__ = ["EarlyStoppingHook"]


class EarlyStoppingHook(Hook):
    """Ends the training when a metric has not improved for a number of validations.

    The best score and the validations waited since then are in the checkpoint, so that a resumed run stops where the
    uninterrupted one does.

    Args:
        monitor: The metric, by the name that the evaluator gives it.
        rule: Whether `greater` or `less` is better; by default told by the metric's name.
        min_delta: A score counts as better if it is so by this much at least.
        strict: Whether a validation without the metric is an error; it is passed over with a warning otherwise.
        check_finite: Whether a score that is infinite or no number ends the training.
        patience: Validations without a better score that end the training.
        stopping_threshold: A score beyond this one ends the training at once.

    Attributes:
        best_score: The best score so far; the worst possible one as long as there is none.
        wait_count: Validations since then.
    """

    priority = "LOWEST"

    def __init__(
        self,
        monitor: str,
        rule: Literal["greater", "less"] | None = None,
        min_delta: Annotated[float, Interval(ge=0)] = 0.1,
        strict: bool = False,
        check_finite: bool = True,
        patience: Annotated[int, Interval(ge=1)] = 5,
        stopping_threshold: float | None = None,
    ) -> None:
        if rule not in {"greater", "less", None}:
            raise BuildError(f"EarlyStoppingHook: rule is {rule!r}; it can be 'greater' or 'less'")
        self.monitor = monitor
        self.rule: Rule = rule or infer_rule(monitor, asked_by="EarlyStoppingHook: monitor")
        self.min_delta = min_delta
        self.strict = strict
        self.check_finite = check_finite
        self.patience = patience
        self.stopping_threshold = stopping_threshold
        self.best_score = -inf if self.rule == "greater" else inf
        self.wait_count = 0

    def before_train(self, runner: Runner) -> None:
        """Make sure that the training can be ended."""
        if not hasattr(runner.train_loop, "stop_training"):
            name = type(runner.train_loop).__name__
            raise BuildError(f"EarlyStoppingHook sets the training loop's 'stop_training', and {name} has none; add it")

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Look at the score, and maybe end the training."""
        if self.monitor not in (metrics or {}):
            message = missing_metric("EarlyStoppingHook: monitor", self.monitor, list(metrics or {}))
            if self.strict:
                raise BuildError(message)
            runner.logger.warning("this validation does not count: %s", message)
            return
        assert metrics is not None
        reason = self._judge(float(metrics[self.monitor]))
        if reason is not None:
            runner.train_loop.stop_training = True
            runner.logger.info("training stops early: %s", reason)

    def state_dict(self) -> dict[str, Any]:
        """The best score and the validations since then."""
        return {"best_score": self.best_score, "wait_count": self.wait_count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.best_score, self.wait_count = float(state_dict["best_score"]), int(state_dict["wait_count"])

    def _judge(self, score: float) -> str | None:
        """Count a score; why it ends the training, if it does."""
        if self.check_finite and not isfinite(score):
            return f"{self.monitor} is {score}; the best was {self.best_score:g}"
        if self.stopping_threshold is not None and self._is_beyond(score, self.stopping_threshold):
            self.best_score = score
            return f"{self.monitor} is {score:g}, {self.rule} than {self.stopping_threshold:g}"
        delta = self.min_delta if self.rule == "greater" else -self.min_delta
        if not isnan(score) and not self._is_beyond(self.best_score + delta, score):
            self.best_score, self.wait_count = score, 0
            return None
        self.wait_count += 1
        if self.wait_count < self.patience:
            return None
        return f"{self.monitor} was not better than {self.best_score:g} in the last {self.wait_count} validations"

    def _is_beyond(self, one: float, other: float) -> bool:
        return one > other if self.rule == "greater" else one < other
