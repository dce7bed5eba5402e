"""Counts as text: a table by module, and the model's own form with the counts in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from runner.analysis.analyzers import ActivationAnalyzer, FlopAnalyzer, parameter_count

__all__ = ["complexity_stats_str", "complexity_stats_table", "format_size", "parameter_count_table", "table"]


def format_size(number: float, digits: int = 3) -> str:
    """A number in thousands (K), millions (M) and so on.

    Args:
        number: The number.
        digits: At most so many behind the point.
    """
    for limit, unit, suffix in (
        (1e14, 1e15, "P"),
        (1e11, 1e12, "T"),
        (1e8, 1e9, "G"),
        (1e5, 1e6, "M"),
        (1e2, 1e3, "K"),
    ):
        if abs(number) > limit:
            return f"{number / unit:.{digits}f}".rstrip("0").rstrip(".") + suffix
    return str(number)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown's form, its columns aligned.

    Args:
        header: The columns' names.
        rows: The cells.
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    texts.insert(1, "|" + "|".join(":" + "-" * (width + 1) for width in widths) + "|")
    return "\n".join(texts)


def parameter_count_table(model: nn.Module, max_depth: int = 3) -> str:
    """The numbers of a model's parameters, as a table.

    Args:
        model: The model.
        max_depth: How many levels of modules are shown.
    """
    counts = parameter_count(model)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    rows = [["model", _size(counts[""])]]
    for name, depth in _names(model, max_depth):
        if name in counts:
            cell = str(shapes[name]) if name in shapes else _size(counts[name])
            rows.append([" " * depth + name, " " * depth + cell])
    return table(("name", "#elements or shape"), rows)


def complexity_stats_table(
    flops: FlopAnalyzer,
    max_depth: int = 3,
    activations: ActivationAnalyzer | None = None,
    show_param_shapes: bool = True,
) -> str:
    """Parameters, FLOPs and activations of every module, as a table. Modules without any are left out.

    Args:
        flops: The count of FLOPs.
        max_depth: How many levels of modules are shown.
        activations: The count of activations, where it is to be shown.
        show_param_shapes: Whether parameters are listed, with their shapes.
    """
    model = flops._model  # noqa: SLF001 - both belong together
    parameters = parameter_count(model)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    analyzers = [flops, *([activations] if activations is not None else [])]
    for each in analyzers:
        each.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    columns = [parameters, *(each.by_module() for each in analyzers)]
    rows = [["model", *(format_size(column[""]) for column in columns)]]
    for name, depth in _names(model, max_depth):
        if name in shapes:
            cells = [str(shapes[name]), *[""] * len(analyzers)] if show_param_shapes else []
        else:
            numbers = [column.get(name, 0) for column in columns]
            cells = [format_size(number) if number else "" for number in numbers] if any(numbers) else []
        if cells:
            rows.append([" " * depth + name, *(" " * depth + cell for cell in cells)])
    header = "#parameters or shape" if show_param_shapes else "#parameters"
    return table(("module", header, "#flops", "#activations")[: len(columns) + 1], rows)


def complexity_stats_str(flops: FlopAnalyzer, activations: ActivationAnalyzer | None = None) -> str:
    """The model as torch shows it, with the parameters, FLOPs and activations of every module.

    A module that was not called as such has N/A; what it computes counts for the module around it.

    Args:
        flops: The count of FLOPs.
        activations: The count of activations, where it is to be shown.
    """
    model = flops._model  # noqa: SLF001 - both belong together
    analyzers: dict[str, FlopAnalyzer | ActivationAnalyzer] = {"#flops": flops}
    if activations is not None:
        analyzers["#acts"] = activations
    for each in analyzers.values():
        each.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    parameters = parameter_count(model)

    def counts(name: str) -> str:
        shown = [f"#params: {format_size(parameters[name], 2)}"] if parameters.get(name) else []
        for title, each in analyzers.items():
            number = each.by_module()[name]
            if number:
                shown.append(f"{title}: {format_size(number, 2)}")
            elif shown and name in each.uncalled_modules():
                shown.append(f"{title}: N/A")
        return ", ".join(shown)

    return _drawn(model, "", counts)


def _drawn(module: nn.Module, name: str, counts: Callable[[str], str]) -> str:
    lines = [*filter(None, [module.extra_repr(), counts(name)])]
    for key, child in module.named_children():
        lines.append(f"({key}): {_drawn(child, f'{name}.{key}' if name else key, counts)}")
    if not lines:
        return f"{type(module).__name__}()"
    inner = "\n".join("  " + line for text in lines for line in text.split("\n"))
    return f"{type(module).__name__}(\n{inner}\n)"


def _names(model: nn.Module, max_depth: int) -> list[tuple[str, int]]:
    """Modules and their parameters, each below the module that it belongs to, with their depths."""
    found: list[tuple[str, int]] = []
    for name, module in model.named_modules():
        depth = name.count(".") + 1 if name else 0
        if depth > max_depth:
            continue
        if name:
            found.append((name, depth))
        if depth < max_depth:
            found += [
                (f"{name}.{key}" if name else key, depth + 1) for key, _ in module.named_parameters(recurse=False)
            ]
    return found


def _size(number: int) -> str:
    return format_size(number, 1)
