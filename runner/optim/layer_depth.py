"""How deep in a model each of its parameters lies: the stem at 0, then layer after layer, the head last.

A model says so itself by `get_layer_depth(name)`, which returns the depth of the parameter of that name and how many
depths there are. Of any other, the layers are found by these rules:

1. The layers are the elements of the Sequential or ModuleList that is called `blocks`, `layers`, `layer`, `stages`, `h`,
   `resblocks` or `features`, or of the ones called `layer1`, `layer2`, … beside each other. Of several, those in the
   model's `backbone` count, if it has any, and of these the one with the most parameters that is in no other.
2. An element that has `blocks` itself (Swin), or an element of `stages`, `layer1`, … that is a list (ConvNeXt, ResNet),
   is a stage: its own elements are the layers. What else stands in a stage belongs to the layer before it, or to the
   stage's first.
3. Beside `stages`, `downsample_layers` of ConvNeXt belong to the first layers of their stages, the first to the stem.
4. What the model holds before the layers is the stem, what comes after them the head. If the layers are in the model's
   `backbone`, all that is not in there is the head.
5. In a model without such names, the layers are the elements of the first Sequential with two or more that have
   parameters; where it is the whole model, its last one is the head.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from runner.errors import BuildError

__all__ = ["Layers", "depth_function", "find_layers"]

_LISTS = frozenset({"blocks", "layers", "layer", "stages", "h", "resblocks", "features"})
_NUMBERED = re.compile(r"(layer|stage)\d+")
_DOWNSAMPLING = re.compile(r"(.*?)downsample_layers\.(\d+)\.")
_LIST_TYPES = (nn.Sequential, nn.ModuleList)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The layers of a model.

    Attributes:
        stages: The names of the layers' modules, by stage; one stage where there are none.
        depths: Each parameter's depth: 0 for the stem, from 1 for the layers, one more than there are for the head.
        stage_depths: The same, counted in stages.
    """

    stages: tuple[tuple[str, ...], ...]
    depths: Mapping[str, int]
    stage_depths: Mapping[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all layers' modules."""
        return tuple(name for stage in self.stages for name in stage)


def depth_function(model: nn.Module) -> Callable[[str], tuple[int, int]]:
    """What gives each parameter's depth, and how many depths there are: the model's own, or one by the rules above.

    Raises:
        BuildError: No layers are found.
    """
    own: Callable[[str], tuple[int, int]] | None = getattr(model, "get_layer_depth", None)
    if own is not None:
        return own
    layers = find_layers(model)
    return lambda name: (layers.depths[name], len(layers.names) + 2)


def find_layers(model: nn.Module) -> Layers:
    """Find the layers of a model by the rules above.

    Raises:
        BuildError: There are none.
    """
    stages = _stages(model)
    if stages is None:
        raise BuildError(
            f"no layers are found in {type(model).__name__}: no Sequential or ModuleList is called "
            f"{', '.join(sorted(_LISTS))} or layer1, layer2, …; give the model a method get_layer_depth(name) that "
            "returns the depth of the parameter of that name, from 0, and how many depths there are"
        )
    names = [name for stage in stages for name in stage]
    layer_of = {name: number for number, name in enumerate(names, start=1)}
    stage_of = {name: number for number, stage in enumerate(stages, start=1) for name in stage}
    depths: dict[str, int] = {}
    stage_depths: dict[str, int] = {}
    met = 0  # the layer that the walk saw last
    prefix = "backbone." if names[0].startswith("backbone.") else ""
    for parameter, _ in model.named_parameters(remove_duplicate=False):
        layer = _holder(parameter, layer_of)
        if layer is None:
            depth, stage = _beside(parameter, stages, layer_of, met, prefix)
        else:
            met = layer_of[layer]
            depth, stage = met, stage_of[layer]
        depths[parameter] = depth
        stage_depths[parameter] = stage
    return Layers(stages=stages, depths=depths, stage_depths=stage_depths)


def _holder(parameter: str, layer_of: Mapping[str, int]) -> str | None:
    """The layer that a parameter stands in."""
    parts = parameter.split(".")
    return next((name for end in range(1, len(parts)) if (name := ".".join(parts[:end])) in layer_of), None)


def _beside(
    parameter: str, stages: tuple[tuple[str, ...], ...], layer_of: Mapping[str, int], met: int, prefix: str
) -> tuple[int, int]:
    """The depth, and the stage's number, of a parameter that is in none of the layers."""
    head = len(layer_of) + 1, len(stages) + 1
    if not parameter.startswith(prefix):
        return head
    between = _DOWNSAMPLING.match(parameter)
    if between is not None and stages[0][0].startswith(f"{between[1]}stages."):
        number = int(between[2])
        return (layer_of[stages[number][0]] if 0 < number < len(stages) else 0), 0
    for number, stage in enumerate(stages, start=1):
        if len(stages) > 1 and parameter.startswith(_common(stage)):
            first, last = layer_of[stage[0]], layer_of[stage[-1]]
            return min(max(met, first), last), number
    return head if met else (0, 0)


def _common(stage: tuple[str, ...]) -> str:
    """The beginning of the names of everything in a stage."""
    return stage[0].rpartition(".")[0].removesuffix(".blocks") + "."


def _stages(model: nn.Module) -> tuple[tuple[str, ...], ...] | None:
    """The names of the layers, by stage."""
    modules = dict(model.named_modules())
    found = _list_groups(modules)
    found = [group for group in found if group[0].startswith("backbone.")] or found
    if found:
        # The first of equally large ones: `max` keeps it.
        return _by_stage(max(found, key=lambda group: sum(map(_size, (modules[name] for name in group)))), modules)
    for name, module in modules.items():
        elements = list(_elements(name, module)) if isinstance(module, nn.Sequential) else []
        if len(elements) > 1:
            is_whole = _size(module) == _size(model)
            return (tuple(elements[:-1] if is_whole else elements),)
    return None


def _list_groups(modules: Mapping[str, nn.Module]) -> list[list[str]]:
    """Lists of layers that are in no other: each by itself, those with numbered names together with their neighbours."""
    groups: dict[str, list[str]] = {}
    for name, module in modules.items():
        parent, _, last = name.rpartition(".")
        if not isinstance(module, _LIST_TYPES) or not any(True for _ in _elements(name, module)):
            continue
        if any(name.startswith(f"{other}.") for group in groups.values() for other in group):
            continue
        if _NUMBERED.fullmatch(last):
            groups.setdefault(f"{parent}.*", []).append(name)
        elif last in _LISTS:
            groups[name] = [name]
    return list(groups.values())


def _by_stage(group: list[str], modules: Mapping[str, nn.Module]) -> tuple[tuple[str, ...], ...]:
    """The layers of lists: their elements, or, where these are stages, theirs."""
    if _NUMBERED.fullmatch(group[0].rpartition(".")[2]):
        return tuple(tuple(_elements(name, modules[name])) for name in group)
    (name,) = group
    are_stages = name.rpartition(".")[2] == "stages"
    found: list[tuple[str, ...]] = []
    for element in _elements(name, modules[name]):
        inner = f"{element}.blocks"
        if inner not in modules and are_stages and isinstance(modules[element], _LIST_TYPES):
            inner = element
        found.append((tuple(_elements(inner, modules[inner])) if inner in modules else ()) or (element,))
    if are_stages or any(len(stage) > 1 for stage in found):
        return tuple(found)
    return (tuple(element for stage in found for element in stage),)


def _elements(name: str, module: nn.Module) -> Iterator[str]:
    """The names of a list's elements that have parameters."""
    for key, child in module.named_children():
        if next(child.parameters(), None) is not None:
            yield f"{name}.{key}" if name else key


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
