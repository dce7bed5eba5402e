"""Several views of one image, for test-time augmentation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from runner.kinds import Slot
from runner_vision.transforms.compose import Compose

__all__ = ["TestTimeAug"]


class TestTimeAug:
    """Make several views of an image: one for each way of taking one transform out of each list.

    `transforms: [[{type: Resize, size: 32}, {type: Resize, size: 40}], [{type: RandomHorizontalFlip, p: 0},
    {type: RandomHorizontalFlip, p: 1}]]` makes four. An image becomes a list of views; where the transforms make
    mappings, as MMCV's do, it becomes one mapping with a list for each key.

    Args:
        transforms: Lists of transforms, which are applied from the first list to the last.
    """

    __test__ = False  # pytest takes the name for a test case

    def __init__(self, transforms: Annotated[Sequence[Sequence[Any]], Slot("transform")]) -> None:
        for position, choices in enumerate(transforms):
            if isinstance(choices, str) or not choices:
                raise TypeError(f"TestTimeAug takes lists of transforms, and its list {position} is {choices!r}")
        self.subroutines = [Compose(list(chosen)) for chosen in itertools.product(*transforms)]

    def __call__(self, image: Any) -> Any:
        """Apply it."""
        views = [subroutine(image) for subroutine in self.subroutines]
        if views and all(isinstance(view, Mapping) for view in views):
            return {key: [view[key] for view in views] for key in views[0]}
        return views

    def __repr__(self) -> str:
        steps = "".join(f"\n    {subroutine}" for subroutine in self.subroutines)
        return f"TestTimeAug({steps}\n)"
