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
        last_score: The newest score; None before the first validation.
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
        self.last_score: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Make sure that the training can be ended."""
        if not hasattr(runner.train_loop, "stop_training"):
            name = type(runner.train_loop).__name__
            raise BuildError(f"EarlyStoppingHook sets the training loop's 'stop_training', and {name} has none; add it")
        # A checkpoint that was saved after the last validation does not lead to another one.
        self._stop_if_due(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Look at the score, and maybe end the training."""
        if self.monitor not in (metrics or {}):
            message = missing_metric("EarlyStoppingHook: monitor", self.monitor, list(metrics or {}))
            if self.strict:
                raise BuildError(message)
            runner.logger.warning("this validation does not count: %s", message)
            return
        assert metrics is not None
        self.last_score = float(metrics[self.monitor])
        self._count(self.last_score)
        self._stop_if_due(runner)

    def state_dict(self) -> dict[str, Any]:
        """The best score, the validations since then, and the last score."""
        return {"best_score": self.best_score, "wait_count": self.wait_count, "last_score": self.last_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.best_score, self.wait_count = state_dict["best_score"], state_dict["wait_count"]
        self.last_score = state_dict["last_score"]

    def _count(self, score: float) -> None:
        """Take a score as the best one, or wait for another."""
        if self._is_not_finite(score):
            return
        if self._is_beyond_threshold(score):
            self.best_score = score
            return
        delta = self.min_delta if self.rule == "greater" else -self.min_delta
        if isnan(score) or self._is_better(self.best_score + delta, score):
            self.wait_count += 1
        else:
            self.best_score, self.wait_count = score, 0

    def _stop_if_due(self, runner: Runner) -> None:
        """End the training, if the last score does."""
        score = self.last_score
        if score is None:
            return
        if self._is_not_finite(score):
            reason = f"{self.monitor} is {score}; the best was {self.best_score:g}"
        elif self._is_beyond_threshold(score):
            reason = f"{self.monitor} is {score:g}, {self.rule} than {self.stopping_threshold:g}"
        elif self.wait_count >= self.patience:
            reason = f"{self.monitor} was not better than {self.best_score:g} in the last {self.wait_count} validations"
        else:
            return
        runner.train_loop.stop_training = True
        runner.logger.info("training stops early: %s", reason)

    def _is_not_finite(self, score: float) -> bool:
        return self.check_finite and not isfinite(score)

    def _is_beyond_threshold(self, score: float) -> bool:
        return self.stopping_threshold is not None and self._is_better(score, self.stopping_threshold)

    def _is_better(self, one: float, other: float) -> bool:
        return one > other if self.rule == "greater" else one < other
