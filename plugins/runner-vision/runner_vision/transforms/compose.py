"""One transform after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from runner.kinds import Slot

__all__ = ["Compose", "composed"]


class Compose:
    """Apply several transforms, one after the other.

    Args:
        transforms: What to apply, first to last; each takes what the one before it gives.
    """

    def __init__(self, transforms: Annotated[Sequence[Any], Slot("transform")]) -> None:
        for position, transform in enumerate(transforms):
            if not callable(transform):
                raise TypeError(f"Compose got {type(transform).__name__} as transform {position}; it takes callables")
        self.transforms = list(transforms)

    def __call__(self, image: Any) -> Any:
        """Apply it."""
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        steps = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"Compose({steps}\n)"


def composed(transform: Callable[[Any], Any] | Sequence[Any] | None) -> Callable[[Any], Any] | None:
    """What a data set calls: a list of transforms, as YAML writes it, becomes one."""
    if transform is None or callable(transform):
        return transform
    return Compose(transform)
