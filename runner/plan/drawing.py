"""A plan as a picture, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError
from runner.plan.panels import Axis, Panel, axis, panels
from runner.plan.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FORMATS", "MissingMatplotlib", "draw", "require_matplotlib"]

FORMATS = (".png", ".svg")
"""The files that a plan can be drawn into, by their suffixes."""

_MOST_IN_LEGEND = 12
_NAMES = {"lr": "learning rate", "weight_decay": "weight decay"}


class MissingMatplotlib(RunnerError):  # noqa: N818 - it says what is missing
    """The optional library that draws is not installed."""


def require_matplotlib() -> None:
    """See that there is something to draw with.

    Raises:
        MissingMatplotlib: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401, ICN001 - whether it can be
    except ImportError as error:
        raise MissingMatplotlib(
            "drawing a PNG or SVG takes matplotlib, which is not installed: pip install 'yaml-runner[plan]'"
        ) from error


def draw(plan: Plan, file: Path) -> None:
    """Draw the schedules over the run, with marks for validations and saves.

    Args:
        plan: A plan with schedules.
        file: A PNG or SVG, going by its suffix.

    Raises:
        MissingMatplotlib: matplotlib is not installed.
        RunnerError: The plan has no schedule.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown, along = panels(plan), axis(plan)
    if not shown:
        raise RunnerError(f"there is no schedule to draw into {file}; {'; '.join(plan.notes) or 'nothing is trained'}")
    # Text stays text in an SVG, and the same plan gives the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "plan", "font.size": 9}):
        figure = Figure(figsize=(9, 0.9 + 2.6 * len(shown) + 0.7), dpi=150, layout="constrained")
        axes: Any = figure.subplots(
            len(shown) + 1, 1, sharex=True, squeeze=False, height_ratios=[*([2.6] * len(shown)), 0.55]
        )[:, 0]
        for place, panel in zip(axes, shown, strict=False):
            _panel(place, plan, panel, along)
        _events(axes[-1], plan, along)
        axes[0].set_title(_title(plan), loc="left", fontsize=10)
        if along.unit == "epoch" and plan.unit == "iteration":
            above = axes[0].secondary_xaxis("top", functions=(_over(along.scale), _over(1 / along.scale)))
            above.set_xlabel("iteration")
            _counts(above)
        metadata = {"Date": None} if file.suffix.lower() == ".svg" else None
        figure.savefig(file, metadata=metadata)


def _panel(place: Axes, plan: Plan, panel: Panel, along: Axis) -> None:
    for line in panel.lines:
        label = _label(plan, line.groups, panel.option)
        place.step([step * along.scale for step in line.steps], line.values, where="post", label=label, linewidth=1.5)
    place.set_ylabel(_NAMES.get(panel.option, panel.option))
    place.grid(alpha=0.3, linewidth=0.5)
    place.spines[["top", "right"]].set_visible(False)
    place.yaxis.set_major_formatter("{x:.4g}")
    low, high = place.get_ylim()
    smallest = min(value for line in panel.lines for value in line.values)
    if smallest >= 0:
        place.set_ylim(bottom=min(0.0, low) if smallest < high / 4 else low)
    if len(plan.groups) > 1 and len(panel.lines) <= _MOST_IN_LEGEND:
        place.legend(fontsize=8, frameon=False)


def _label(plan: Plan, groups: tuple[int, ...], option: str) -> str:
    """The groups of a line, with what sets them apart and how many parameters they hold."""
    name = f"group {groups[0]}" if len(groups) == 1 else f"groups {', '.join(map(str, groups))}"
    if not plan.has_model:
        return name
    value = plan.groups[groups[0]].options.get(option)
    count = sum(len(plan.groups[number].parameters) for number in groups)
    start = f": {option} {value:.4g}" if isinstance(value, float) else ""
    return f"{name}{start} ({count:,} parameter{'s' if count != 1 else ''})"


def _events(place: Axes, plan: Plan, along: Axis) -> None:
    """A strip with a mark for each validation and each save."""
    rows = [("validates", plan.validations, "tab:green", "|"), ("saves", plan.saves, "tab:red", "v")]
    for height, (_, moments, color, mark) in enumerate(reversed(rows)):
        places = [found for found in map(along.place, moments) if found is not None]
        place.plot(places, [height] * len(places), mark, color=color, markersize=5, clip_on=False)
    place.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
    place.set_ylim(-0.6, len(rows) - 0.4)
    place.set_xlim(0, along.length)
    place.set_xlabel(along.unit)
    _counts(place)
    place.tick_params(axis="y", length=0)
    place.spines[["top", "right", "left"]].set_visible(False)


def _counts(place: Axes) -> None:
    """Whole numbers along the x axis."""
    from matplotlib.ticker import MaxNLocator

    place.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    place.xaxis.set_major_formatter("{x:,.0f}")


def _title(plan: Plan) -> str:
    name = Path(plan.config).name if plan.config else "plan"
    if plan.iterations is None:
        return f"{name}: {plan.epochs:,} epochs"
    if not plan.by_epoch:
        return f"{name}: {plan.iterations:,} iterations"
    return f"{name}: {plan.epochs:,} epochs, {plan.iterations:,} iterations"


def _over(divisor: float) -> Any:
    return lambda value: value / divisor
