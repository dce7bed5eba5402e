"""A plan for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.logging.console import summary
from runner.plan.canvas import Canvas, colored, marks, ticks
from runner.plan.panels import Axis, Line, Panel, axis, constants, panels
from runner.plan.parts import Group
from runner.plan.plan import Plan
from runner.plan.walk import Moment

__all__ = ["report", "spans"]

_FIRST = ("lr", "momentum", "betas", "weight_decay")
_HEIGHT = 10
_MARGIN = 11
"""Characters to the left of a curve: the numbers on the y axis."""


def report(plan: Plan, *, width: int = 100, color: bool = False) -> str:
    """A plan as text.

    Args:
        plan: The plan.
        width: Columns of the terminal.
        color: Whether curves are told apart by colour.
    """
    parts = ["\n".join(_overview(plan))]
    if plan.notes:
        parts.append("\n".join(["Not known, or not as it may seem:", *(f"  - {note}" for note in plan.notes)]))
    parts += ["\n".join(_curves(plan, panel, width, color=color)) for panel in panels(plan)]
    if plan.schedules:
        parts.append("\n".join(_constants(plan)))
    if plan.has_model:
        parts.append(summary("Parameter groups", dict(_groups(plan))))
    parts.append(_hooks(plan))
    return "\n\n".join(part for part in parts if part)


# ---- what happens when -----------------------------------------------------------------------------------------------


def _overview(plan: Plan) -> Iterator[str]:
    if plan.loop is None:
        yield f"{plan.config or 'config'}: no training"
        return
    rows = {}
    for name, found in plan.data.items():
        samples = "an unknown number of" if found.samples is None else f"{found.samples:,}"
        batches = "an unknown number of" if found.batches is None else f"{found.batches:,}"
        of = f" of {found.batch_size:,}" if found.batch_size is not None else ""
        rows[f"{name} data"] = f"{samples} samples, {batches} {'batch' if found.batches == 1 else 'batches'}{of}"
    rows["validates"] = _moments(plan.validations) or "never"
    rows["saves"] = _moments(plan.saves) or "never"
    for each in plan.checkpoints:
        kept = "all are kept" if each.keeps <= 0 else f"the last {_counted(each.keeps, 'is', 'are')} kept"
        best = f", and the best by {', '.join(each.best)}" if each.best else ""
        rows["saves"] += f"; {kept}{best}"
    yield summary(f"{plan.config or 'config'}: {_size(plan)} ({plan.loop})", rows)


def _counted(number: int, one: str, many: str) -> str:
    return one if number == 1 else f"{number} {many}"


def _size(plan: Plan) -> str:
    if not plan.by_epoch:
        return f"{plan.iterations or 0:,} iterations"
    if plan.iterations is None:
        return f"{plan.epochs:,} epochs"
    if plan.epoch_length is None:
        return f"{plan.epochs:,} epochs, {plan.iterations:,} iterations"
    return f"{plan.epochs:,} epochs of {plan.epoch_length:,} iterations, {plan.iterations:,} in all"


def _moments(moments: Sequence[Moment]) -> str:
    parts = []
    for unit in ("epoch", "iteration"):
        counts = [moment.count for moment in moments if moment.unit == unit]
        if counts:
            times = "once" if len(counts) == 1 else f"{len(counts):,} times"
            parts.append(f"{times}, after {unit}{'s' if len(counts) > 1 else ''} {spans(counts)}")
    return "; ".join(parts)


def spans(counts: Sequence[int], most: int = 6) -> str:
    """Numbers in words: `1 to 20`, `500 to 8,000 by 500, 8,001`.

    Args:
        counts: In ascending order.
        most: How many numbers and spans are written; what is left is `…` before the last number.
    """
    if len(counts) <= most:
        return ", ".join(f"{each:,}" for each in counts)
    found: list[str] = []
    rest = list(counts)
    while rest:
        length = 2
        while length < len(rest) and rest[length] - rest[length - 1] == rest[1] - rest[0]:
            length += 1
        if len(rest) < 3 or length < 3:
            found.append(f"{rest.pop(0):,}")
            continue
        by = rest[1] - rest[0]
        found.append(f"{rest[0]:,} to {rest[length - 1]:,}{f' by {by:,}' if by > 1 else ''}")
        rest = rest[length:]
    return ", ".join(found if len(found) <= most else [*found[: most - 1], "…", f"{counts[-1]:,}"])


# ---- schedules -------------------------------------------------------------------------------------------------------


def _curves(plan: Plan, panel: Panel, width: int, *, color: bool) -> Iterator[str]:
    values = [value for line in panel.lines for value in line.values]
    low, high = min(values), max(values)
    along = axis(plan)
    several = len(plan.groups) > 1
    for number, line in enumerate(panel.lines):
        text = f"{panel.option}{f', {_names(line.groups)}' if several else ''}: {_course(line)}"
        yield colored(text, number) if color and len(panel.lines) > 1 else text
    if low == high:
        return
    low = 0.0 if 0 < low < high / 4 else low
    canvas = Canvas(width - _MARGIN - 4, _HEIGHT, x_end=along.length, y_range=(low, high))
    for number, line in enumerate(panel.lines):
        canvas.draw(list(_points(line, along, stairs=plan.unit == "epoch")), number)
    labels = {0: high, _HEIGHT // 2: (low + high) / 2, _HEIGHT - 1: low}
    for number, row in enumerate(canvas.rows(color=color)):
        label = f"{labels[number]:.3g}" if number in labels else ""
        yield f"{label:>{_MARGIN}} {'┤' if label else '│'}{row}"
    yield from _below(plan, canvas, along)


def _points(line: Line, along: Axis, *, stairs: bool) -> Iterator[tuple[float, float]]:
    before = None
    for step, value in zip(line.steps, line.values, strict=True):
        if stairs and before is not None:
            yield step * along.scale, before
        yield step * along.scale, value
        before = value


def _below(plan: Plan, canvas: Canvas, along: Axis) -> Iterator[str]:
    """The x axis, and the rows with what happens when."""
    rule, numbers = ["─"] * canvas.width, [" "] * (canvas.width + 8)
    for tick in ticks(along.length, canvas.width // 12):
        column = canvas.column(tick)
        rule[column] = "┬"
        text = f"{tick:,}"
        numbers[column : column + len(text)] = text
    yield f"{'':>{_MARGIN}} └{''.join(rule)}"
    yield f"{along.unit:>{_MARGIN}}  {''.join(numbers).rstrip()}"
    for name, mark, moments in (("validates", "▵", plan.validations), ("saves", "■", plan.saves)):
        places = [along.place(moment) for moment in moments]
        columns = [canvas.column(place) for place in places if place is not None]
        if columns:
            yield f"{name:>{_MARGIN}}  {marks(columns, canvas.width, mark)}"


def _course(line: Line) -> str:
    """The values at both ends, and the extremes between them."""
    values = list(line.values)
    inner = [value for value in (max(values), min(values)) if value not in {values[0], values[-1]}]
    inner.sort(key=values.index)
    course = [values[0], *inner, values[-1]] if len(set(values)) > 1 else values[:1]
    return " → ".join(f"{value:.4g}" for value in course)


def _constants(plan: Plan) -> Iterator[str]:
    for option, found in constants(plan).items():
        texts = [f"{value:.4g}{f' ({_names(groups)})' if len(found) > 1 else ''}" for groups, value in found]
        yield f"{option}: {', '.join(texts)}, constant"


def _names(groups: Sequence[int]) -> str:
    return f"group {groups[0]}" if len(groups) == 1 else f"groups {spans(groups)}"


# ---- groups and hooks ------------------------------------------------------------------------------------------------


def _groups(plan: Plan) -> Iterator[tuple[str, str]]:
    for number, group in enumerate(plan.groups):
        label = f"{group.optimizer} {number}" if group.optimizer else str(number)
        some = ", ".join(group.parameters[:3])
        more = f" and {len(group.parameters) - 3:,} more" if len(group.parameters) > 3 else ""
        yield label, f"{_options(group)}: {some}{more} ({group.numbers:,} numbers)"


def _options(group: Group) -> str:
    """The options that say something: switches that are off say nothing."""
    first = {key: group.options[key] for key in _FIRST if key in group.options}
    told = {key: value for key, value in {**first, **group.options}.items() if value is not None and value is not False}
    return ", ".join(f"{key} {_short(value)}" for key, value in told.items())


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_short, value))})"
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if value is True else str(value)


def _hooks(plan: Plan) -> str:
    rows = {point: ", ".join(f"{call.type} {call.priority}" for call in calls) for point, calls in plan.hooks.items()}
    return summary("Hooks by point, in calling order with their priorities", rows) if rows else ""
