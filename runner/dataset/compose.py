"""Transforms, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from runner.kinds import Slot

__all__ = ["Compose"]


class Compose:
    """Hands a sample from transform to transform; one that returns None ends it, and the result is None.

    Args:
        transforms: What is called, in order: callables, or mappings with `type`, which are built.

    Raises:
        TypeError: One of them can't be called.
    """

    def __init__(self, transforms: Annotated[Sequence[Any] | None, Slot("transform")]) -> None:
        self.transforms: list[Callable[[Any], Any]] = []
        for number, given in enumerate(transforms or ()):
            transform = _built(given)
            if not callable(transform):
                raise TypeError(
                    f"transform {number} is a {type(transform).__name__}, which can't be called; give a callable, or a "
                    "mapping with the 'type' of one"
                )
            self.transforms.append(transform)

    def __call__(self, data: Any) -> Any:
        """Transform a sample; None where a transform gave up on it."""
        for transform in self.transforms:
            data = transform(data)
            if data is None:
                return None
        return data

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


def _built(transform: Any) -> Any:
    if not isinstance(transform, Mapping):
        return transform
    from runner.registry import TRANSFORMS

    return TRANSFORMS.build(transform)
