"""Tensor parallelism: layers that several ranks compute together, by a plan (`torch.distributed.tensor.parallel`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypedDict

from torch import nn

from runner.dist.fully_sharded import named_units
from runner.errors import BuildError, Path
from runner.kinds import Interval

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

__all__ = ["LayerStyle", "Layout", "Style", "layers_of_plan", "parallelize"]

Style: TypeAlias = Literal["colwise", "rowwise", "sequence", "colwise_rep", "rowwise_rep"]
Layout: TypeAlias = Literal["replicate"] | int


class LayerStyle(TypedDict, total=False):
    """How a layer is computed together, with more than its name says.

    Attributes:
        type: `colwise`: each rank computes a share of the outputs; `rowwise`: each adds its share of the inputs, and the
            sum is made over ranks; `sequence`: each computes a share of the sequence (norms, dropout). `colwise_rep`
            puts the outputs together, `rowwise_rep` takes whole inputs. Required.
        input_layouts: How a `colwise` or `rowwise` layer's input lies on the ranks: `replicate`, or the dimension that is
            dealt out. Default: `replicate` for `colwise`, -1 for `rowwise`.
        output_layouts: How the output is to lie. Default: -1 for `colwise`, `replicate` for `rowwise`.
        use_local_output: Whether the module returns a plain tensor, this rank's share. Default: true; false for
            `sequence`.
        sequence_dim: For `sequence`: the dimension that is dealt out. Default: 1.
    """

    type: Style
    input_layouts: Layout
    output_layouts: Layout
    use_local_output: bool
    sequence_dim: Annotated[int, Interval(ge=0)]


_LINEAR: Final = ("input_layouts", "output_layouts", "use_local_output")
_OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "colwise": _LINEAR,
    "rowwise": _LINEAR,
    "sequence": ("sequence_dim", "use_local_output"),
    "colwise_rep": (),
    "rowwise_rep": (),
}
"""What each style takes beside its name."""


def parallelize(
    model: nn.Module,
    mesh: DeviceMesh,
    plan: Mapping[str, Style | LayerStyle],
    path: Path,
    *,
    spread: bool = True,
) -> None:
    """Let the ranks of a mesh compute layers of a model together, in place.

    Args:
        model: The model, whole and the same on all ranks.
        mesh: The ranks, in one dimension.
        plan: A style for each layer; layers by their dotted name or their class's, in which `*` stands for anything.
        path: Where the plan stands in the config, for errors.
        spread: Whether rank 0's weights are dealt out; otherwise each rank's own are.

    Raises:
        BuildError: A name fits no module, two of them give a module two styles, or a module can't be computed so.
    """
    from torch.distributed.tensor.parallel import parallelize_module

    chosen = layers_of_plan(model, plan, path)
    names = {id(module): name for name, module in model.named_modules()}
    for module, (wanted, style) in chosen.items():
        where = (*path, wanted)
        _check(module, names[id(module)], style, mesh.size(), where)
        _refuse_tied(model, module, names[id(module)], where)
        try:
            parallelize_module(module, mesh, _made(style, where), src_data_rank=0 if spread else None)
        except (NotImplementedError, RuntimeError, ValueError) as error:
            raise BuildError(
                f"{names[id(module)]} can't be computed as '{style['type']}': {error}", path=where
            ) from error


def layers_of_plan(
    model: nn.Module, plan: Mapping[str, Style | LayerStyle], path: Path
) -> dict[nn.Module, tuple[str, LayerStyle]]:
    """The modules that a plan means, each with the plan's name for it and its style.

    Args:
        model: Where they are looked for.
        plan: As `parallelize` takes it.
        path: Where the plan stands in the config, for errors.

    Raises:
        BuildError: A name fits no module, or two of them give a module two styles.
    """
    chosen: dict[nn.Module, tuple[str, LayerStyle]] = {}
    for wanted, given in plan.items():
        style: LayerStyle = {"type": given} if isinstance(given, str) else given
        for module in named_units(model, [wanted], ".".join(map(str, path))):
            before = chosen.get(module)
            if before is not None and before[1] != style:
                name = next(name for name, each in model.named_modules() if each is module)
                raise BuildError(
                    f"'{before[0]}' and '{wanted}' both mean {name}, as '{before[1]['type']}' and as '{style['type']}'; "
                    "keep one of them",
                    path=(*path, wanted),
                )
            chosen[module] = (wanted, style)
    return chosen


def _check(module: nn.Module, name: str, style: LayerStyle, size: int, path: Path) -> None:
    """Refuse what torch would find later, or compute wrongly."""
    kind = style.get("type")
    if kind not in _OPTIONS:
        raise BuildError(f"{kind!r} is no style; there are {', '.join(_OPTIONS)}", path=path)
    foreign = [key for key in style if key != "type" and key not in _OPTIONS[kind]]
    if foreign:
        raise BuildError(f"'{kind}' takes no {', '.join(foreign)}; it takes {_listed(_OPTIONS[kind])}", path=path)
    if kind == "sequence":
        return
    if not isinstance(module, (nn.Linear, nn.Embedding)):
        raise BuildError(
            f"{name} is a {type(module).__name__}; '{kind}' is for Linear and Embedding, 'sequence' for norms and dropout",
            path=path,
        )
    by_columns = kind.startswith("colwise")
    if isinstance(module, nn.Linear):
        what, length = ("outputs", module.out_features) if by_columns else ("inputs", module.in_features)
    else:
        what, length = ("columns", module.embedding_dim) if by_columns else ("rows", module.num_embeddings)
    if length % size:
        raise BuildError(
            f"{name} has {length} {what}, which {size} ranks can't share evenly; take another tensor_parallel_size, or "
            "leave it out of the plan",
            path=path,
        )


def _refuse_tied(model: nn.Module, module: nn.Module, name: str, path: Path) -> None:
    own = {id(parameter) for parameter in module.parameters(recurse=False)}
    for other, each in model.named_modules():
        if each is not module and any(id(parameter) in own for parameter in each.parameters(recurse=False)):
            raise BuildError(
                f"{name} and {other} share a parameter, which would be torn apart; leave both out of the plan",
                path=path,
            )


def _made(style: LayerStyle, path: Path) -> Any:
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, SequenceParallel

    kind = style["type"]
    if kind == "colwise_rep":
        return ColwiseParallel(output_layouts=Replicate())
    if kind == "rowwise_rep":
        return RowwiseParallel(input_layouts=Replicate())
    options: dict[str, Any] = {key: value for key, value in style.items() if key != "type"}
    if kind == "sequence":
        return SequenceParallel(**options)
    for key in ("input_layouts", "output_layouts"):
        if key in options:
            options[key] = _layout(options[key], (*path, key))
    return (ColwiseParallel if kind == "colwise" else RowwiseParallel)(**options)


def _layout(given: Any, path: Path) -> Any:
    from torch.distributed.tensor import Replicate, Shard

    if given == "replicate":
        return Replicate()
    if isinstance(given, int) and not isinstance(given, bool):
        return Shard(given)
    raise BuildError(
        f"{given!r} is no layout; give 'replicate', or the number of the dimension that is dealt out", path=path
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing beside its type"
