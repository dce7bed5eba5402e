"""Shows an image in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from runner.logging import print_log
from runner.visualization.canvas import FigureOptions
from runner.visualization.optional import require

if TYPE_CHECKING:
    from matplotlib.backend_bases import FigureManagerBase

__all__ = ["Window"]

_WITHOUT_SCREEN: Final = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


class Window:
    """A window that shows one image after the other; it opens with the first.

    Args:
        options: How its figure is made.
    """

    def __init__(self, options: FigureOptions) -> None:
        self._options = options
        self._manager: FigureManagerBase | None = None

    def show(self, image: np.ndarray[Any, Any], title: str, wait_time: float, continue_key: str) -> Any:
        """Show an image until a key is pressed, the window is closed or the time is over.

        Args:
            image: (H, W, 3), RGB, uint8.
            title: The window's title.
            wait_time: Seconds to wait; 0 waits until the key.
            continue_key: The key.

        Returns:
            In a notebook the figure, which it shows; elsewhere None.
        """
        require("draw", "showing an image")
        from matplotlib import pyplot as plt

        figure: Any = self._figure(title)
        figure.clear()
        figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
        axes = figure.add_subplot()
        axes.axis(False)
        axes.imshow(image)
        figure.canvas.draw()
        backend = plt.get_backend().lower()
        if "inline" in backend:
            return figure
        if backend in _WITHOUT_SCREEN:
            print_log(
                f"'{title}' is not shown: there is no screen (matplotlib's backend is {backend}); add_image keeps images",
                logger="current",
                level="WARNING",
            )
            return None
        figure.show()
        self._wait(figure.canvas, wait_time, continue_key)
        return None

    def _figure(self, title: str) -> Any:
        from matplotlib import pyplot as plt
        from matplotlib.figure import Figure

        if self._manager is None:
            options: dict[str, Any] = dict(self._options)
            new: Any = plt.new_figure_manager
            self._manager = new(num=1, FigureClass=Figure, **options)
            self._manager.canvas.mpl_connect("close_event", self._forget)
        self._manager.set_window_title(title)
        return self._manager.canvas.figure

    def _forget(self, _event: Any) -> None:
        self._manager = None

    @staticmethod
    def _wait(canvas: Any, seconds: float, continue_key: str) -> None:
        """Wait for the key, the end of the window or the end of the time."""
        ends: list[Any] = []

        def on_key(event: Any) -> None:
            if event.key == continue_key:
                on_end(event)

        def on_end(event: Any) -> None:
            ends.append(event)
            canvas.stop_event_loop()

        connected = [canvas.mpl_connect("key_press_event", on_key), canvas.mpl_connect("close_event", on_end)]
        try:
            canvas.start_event_loop(seconds)
            while not ends and not seconds:
                canvas.start_event_loop(seconds)
        finally:
            for each in connected:
                canvas.mpl_disconnect(each)

    def close(self) -> None:
        """Close the window."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.destroy()
