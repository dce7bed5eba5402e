"""An image to draw on, by matplotlib: what `Visualizer` inherits its drawing methods from."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self, TypedDict

from runner.visualization.colors import Array, Colors, as_array, matplotlib_color, one_each, rgb
from runner.visualization.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

__all__ = ["Canvas", "FigureOptions", "TextBox", "pixels_of"]


class FigureOptions(TypedDict, total=False):
    """How matplotlib makes a figure.

    Attributes:
        frameon: Whether it has a background.
        figsize: Width and height in inches; an image that is set decides for itself.
        dpi: Dots per inch.
        facecolor: The background's colour.
        edgecolor: The frame's colour.
        linewidth: The frame's width in points.
        layout: Who places what is in it: `constrained`, `compressed`, `tight` or `none`.
    """

    frameon: bool
    figsize: Sequence[float]
    dpi: float
    facecolor: str
    edgecolor: str
    linewidth: float
    layout: str


class TextBox(TypedDict, total=False):
    """The box around a text, as matplotlib's `FancyBboxPatch` takes it.

    Attributes:
        boxstyle: Its shape, `square` or `round`, maybe with `pad=…`.
        facecolor: The inside's colour.
        edgecolor: The border's colour.
        linewidth: The border's width in points.
        alpha: From 0, not to be seen, to 1.
        pad: Its distance from the text in points.
    """

    boxstyle: str
    facecolor: str
    edgecolor: str
    linewidth: float
    alpha: float
    pad: float


def pixels_of(canvas: FigureCanvasAgg) -> np.ndarray[Any, Any]:
    """What is drawn on a canvas: (H, W, 3), RGB, uint8."""
    drawn: Any = canvas
    buffer, (width, height) = drawn.print_to_buffer()
    pixels: np.ndarray[Any, Any] = np.frombuffer(buffer, dtype=np.uint8).reshape(height, width, 4)
    rgb_alone: np.ndarray[Any, Any] = pixels[..., :3].copy()
    return rgb_alone


class Canvas:
    """An image, and what was drawn on it. The figure is made when an image is set.

    Coordinates are pixels, from the image's upper left corner; x grows to the right and y downwards. Colours are names
    that matplotlib knows or RGB triples from 0 to 255; a list gives each thing its own. Every drawing method returns
    the canvas, so that calls can be chained.

    Args:
        image: The image to begin with, as `set_image` takes it.
        fig_save_cfg: How the figure is made.
    """

    def __init__(self, image: np.ndarray[Any, Any] | None, fig_save_cfg: FigureOptions) -> None:
        self.fig_save_cfg = fig_save_cfg
        self._figure: tuple[FigureCanvasAgg, Figure, Axes] | None = None
        self._image: np.ndarray[Any, Any] | None = None
        self.width = self.height = 0
        self._default_font_size = 10.0
        if image is not None:
            self.set_image(image)

    def _drawing(self) -> tuple[FigureCanvasAgg, Figure, Axes]:
        if self._figure is None:
            require("draw", "drawing")
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure

            figure = Figure(**self.fig_save_cfg)  # type: ignore[arg-type]  # lists for pairs, strings for their literals
            axes = figure.add_subplot()
            axes.axis(False)
            figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
            self._figure = FigureCanvasAgg(figure), figure, axes
        return self._figure

    @property
    def fig_save_canvas(self) -> FigureCanvasAgg:
        """Matplotlib's canvas."""
        return self._drawing()[0]

    @property
    def fig_save(self) -> Figure:
        """Matplotlib's figure."""
        return self._drawing()[1]

    @property
    def ax_save(self) -> Axes:
        """Matplotlib's axes, to draw on them what these methods don't."""
        return self._drawing()[2]

    @property
    def dpi(self) -> float:
        """The figure's dots per inch."""
        return self.fig_save.get_dpi()

    def set_image(self, image: np.ndarray[Any, Any]) -> None:
        """Begin a new drawing on an image.

        Args:
            image: Grey (H, W) or RGB (H, W, 3), from 0 to 255.

        Raises:
            ValueError: It has another shape, or no pixels.
        """
        if image.ndim not in {2, 3} or not image.size:
            raise ValueError(f"set_image: an image is of shape (H, W) or (H, W, 3), got {image.shape}")
        image = image.astype("uint8")
        if image.ndim == 2 or image.shape[2] == 1:
            image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
        self._image = image
        self.height, self.width = image.shape[:2]
        self._default_font_size = max(math.sqrt(self.height * self.width) // 90, 10)
        _, figure, axes = self._drawing()
        # A hundredth of a pixel more: matplotlib rounds the size down.
        figure.set_size_inches((self.width + 1e-2) / self.dpi, (self.height + 1e-2) / self.dpi)
        axes.cla()
        axes.axis(False)
        axes.imshow(image, extent=(0, self.width, self.height, 0), interpolation="none")

    def get_image(self) -> np.ndarray[Any, Any]:
        """The image with all that was drawn on it: (H, W, 3), RGB, uint8.

        Raises:
            ValueError: There is no image yet.
        """
        self._needs_image("get_image")
        return pixels_of(self.fig_save_canvas)

    def _needs_image(self, method: str) -> None:
        if self._image is None:
            raise ValueError(f"{method}: there is no image to draw on; call set_image first")

    def _warn_outside(self, what: str, points: np.ndarray[Any, Any]) -> None:
        """Say that something may not be seen."""
        inside = (points >= 0) & (points < np.array([self.width, self.height]))
        if not inside.all():
            warnings.warn(f"the {what} is out of bounds and may not be in the image", UserWarning, stacklevel=3)

    def draw_points(
        self,
        positions: Array,
        colors: Colors = "g",
        marker: str | None = None,
        sizes: Array | None = None,
    ) -> Self:
        """Draw points.

        Args:
            positions: (N, 2) or (2,), x and y.
            colors: Their colour or colours.
            marker: Their shape, as matplotlib names it.
            sizes: Their areas in points squared, (N,).
        """
        self._needs_image("draw_points")
        points = np.atleast_2d(as_array("positions", positions))
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"draw_points: positions must be of shape (N, 2), got {points.shape}")
        areas = as_array("sizes", sizes) if sizes is not None else None
        self.ax_save.scatter(points[:, 0], points[:, 1], c=matplotlib_color(colors), s=areas, marker=marker)
        return self

    def draw_texts(
        self,
        texts: str | list[str],
        positions: Array,
        font_sizes: float | list[float] | None = None,
        colors: Colors = "g",
        vertical_alignments: str | list[str] = "top",
        horizontal_alignments: str | list[str] = "left",
        font_families: str | list[str] = "sans-serif",
        bboxes: TextBox | list[TextBox] | None = None,
        font_properties: FontProperties | list[FontProperties] | None = None,
    ) -> Self:
        """Draw texts; each argument but the first two is one value, or a list with one for each text.

        Args:
            texts: The texts.
            positions: (N, 2) or (2,), x and y.
            font_sizes: Their sizes in points; None goes by the image's size.
            colors: Their colours.
            vertical_alignments: Which side of a text is at its y: `top`, `center`, `bottom` or `baseline`.
            horizontal_alignments: Which side of a text is at its x: `left`, `center` or `right`.
            font_families: Their fonts: `serif`, `sans-serif`, `cursive`, `fantasy` or `monospace`.
            bboxes: The boxes around them; None for none.
            font_properties: matplotlib's `FontProperties`, which win over `font_families`.
        """
        from matplotlib.font_manager import FontProperties

        self._needs_image("draw_texts")
        many = [texts] if isinstance(texts, str) else list(texts)
        number = len(many)
        points = np.atleast_2d(as_array("positions", positions))
        if points.shape != (number, 2):
            raise ValueError(f"draw_texts: positions must be of shape ({number}, 2), got {points.shape}")
        self._warn_outside("text", points)
        sizes = one_each("font_sizes", font_sizes or self._default_font_size, number, (int, float))
        columns: tuple[list[Any], ...] = (
            one_each("colors", colors, number, (str, tuple)),
            one_each("vertical_alignments", vertical_alignments, number, str),
            one_each("horizontal_alignments", horizontal_alignments, number, str),
            one_each("font_families", font_families, number, str),
            [None] * number if bboxes is None else one_each("bboxes", bboxes, number, dict),
            [None] * number
            if font_properties is None
            else one_each("font_properties", font_properties, number, FontProperties),
        )
        for text, (x, y), size, (color, va, ha, family, box, font) in zip(
            many, points.tolist(), sizes, zip(*columns, strict=False), strict=False
        ):
            self.ax_save.text(
                x,
                y,
                text,
                size=size,
                bbox=box,
                verticalalignment=va,
                horizontalalignment=ha,
                family=family,
                fontproperties=font,
                color=matplotlib_color(color),
            )
        return self

    def draw_lines(
        self,
        x_datas: Array,
        y_datas: Array,
        colors: Colors = "g",
        line_styles: str | list[str] = "-",
        line_widths: float | list[float] = 2,
    ) -> Self:
        """Draw straight lines.

        Args:
            x_datas: (N, 2) or (2,), the x of their two ends.
            y_datas: (N, 2) or (2,), the y of their two ends.
            colors: Their colour or colours.
            line_styles: Their style or styles, as matplotlib names them.
            line_widths: Their width or widths in points.
        """
        from matplotlib.collections import LineCollection

        self._needs_image("draw_lines")
        x, y = np.atleast_2d(as_array("x_datas", x_datas)), np.atleast_2d(as_array("y_datas", y_datas))
        if x.shape != y.shape or x.shape[-1] != 2:
            raise ValueError(
                f"draw_lines: x_datas and y_datas must both be of shape (N, 2), got {x.shape} and {y.shape}"
            )
        lines = np.stack([x, y], axis=-1)
        self._warn_outside("line", lines)
        self.ax_save.add_collection(
            LineCollection(list(lines), colors=matplotlib_color(colors), linestyles=line_styles, linewidths=line_widths)
        )
        return self

    def draw_circles(
        self,
        center: Array,
        radius: Array,
        edge_colors: Colors = "g",
        line_styles: str | list[str] = "-",
        line_widths: float | list[float] = 2,
        face_colors: Colors = "none",
        alpha: float = 0.8,
    ) -> Self:
        """Draw circles.

        Args:
            center: (N, 2) or (2,), x and y.
            radius: (N,), in pixels.
            edge_colors: Their borders' colour or colours.
            line_styles: Their borders' style or styles.
            line_widths: Their borders' width or widths in points.
            face_colors: What they are filled with; `none` for nothing.
            alpha: From 0, not to be seen, to 1.
        """
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Circle

        self._needs_image("draw_circles")
        centers, radii = np.atleast_2d(as_array("center", center)), np.atleast_1d(as_array("radius", radius))
        if centers.shape != (len(radii), 2):
            raise ValueError(
                f"draw_circles: center must be of shape (N, 2) and radius (N,), got {centers.shape} and {radii.shape}"
            )
        reach = radii.reshape(-1, 1)
        self._warn_outside("circle", np.concatenate([centers - reach, centers + reach]))
        self.ax_save.add_collection(
            PatchCollection(
                [Circle((x, y), r) for (x, y), r in zip(centers.tolist(), radii.tolist(), strict=True)],
                alpha=alpha,
                facecolors=matplotlib_color(face_colors),
                edgecolors=matplotlib_color(edge_colors),
                linewidths=self._widths(line_widths, len(radii)),
                linestyles=line_styles,
            )
        )
        return self

    def draw_bboxes(
        self,
        bboxes: Array,
        edge_colors: Colors = "g",
        line_styles: str | list[str] = "-",
        line_widths: float | list[float] = 2,
        face_colors: Colors = "none",
        alpha: float = 0.8,
    ) -> Self:
        """Draw boxes.

        Args:
            bboxes: (N, 4) or (4,): x and y of the upper left corner, x and y of the lower right one.
            edge_colors: Their borders' colour or colours.
            line_styles: Their borders' style or styles.
            line_widths: Their borders' width or widths in points.
            face_colors: What they are filled with; `none` for nothing.
            alpha: From 0, not to be seen, to 1.
        """
        boxes = np.atleast_2d(as_array("bboxes", bboxes))
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"draw_bboxes: bboxes must be of shape (N, 4), got {boxes.shape}")
        if (boxes[:, :2] > boxes[:, 2:]).any():
            raise ValueError("draw_bboxes: a box is (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2")
        corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        return self.draw_polygons(list(corners), edge_colors, line_styles, line_widths, face_colors, alpha)

    def draw_polygons(
        self,
        polygons: Array | list[Array],
        edge_colors: Colors = "g",
        line_styles: str | list[str] = "-",
        line_widths: float | list[float] = 2,
        face_colors: Colors = "none",
        alpha: float = 0.8,
    ) -> Self:
        """Draw polygons.

        Args:
            polygons: The corners of one, (M, 2), or a list with those of several.
            edge_colors: Their borders' colour or colours.
            line_styles: Their borders' style or styles.
            line_widths: Their borders' width or widths in points.
            face_colors: What they are filled with; `none` for nothing.
            alpha: From 0, not to be seen, to 1.
        """
        from matplotlib.collections import PolyCollection

        self._needs_image("draw_polygons")
        many = [as_array("polygons", each) for each in (polygons if isinstance(polygons, list) else [polygons])]
        for each in many:
            if each.ndim != 2 or each.shape[1] != 2:
                raise ValueError(f"draw_polygons: each polygon must be of shape (M, 2), got {each.shape}")
            self._warn_outside("polygon", each)
        self.ax_save.add_collection(
            PolyCollection(
                many,
                alpha=alpha,
                facecolor=matplotlib_color(face_colors),
                linestyles=line_styles,
                edgecolors=matplotlib_color(edge_colors),
                linewidths=self._widths(line_widths, len(many)),
            )
        )
        return self

    def draw_binary_masks(self, binary_masks: Array, colors: Colors = "g", alphas: float | list[float] = 0.8) -> Self:
        """Colour the pixels of masks.

        Args:
            binary_masks: (N, H, W) or (H, W), bool, as large as the image.
            colors: Their colour or colours.
            alphas: How much of the colour is mixed in, from 0 to 1; one value or one for each mask.
        """
        self._needs_image("draw_binary_masks")
        masks = as_array("binary_masks", binary_masks)
        if masks.dtype != np.bool_:
            raise ValueError(f"draw_binary_masks: binary_masks must be of dtype bool, got {masks.dtype}")
        masks = masks[None] if masks.ndim == 2 else masks
        image = self.get_image()
        if masks.shape[1:] != image.shape[:2]:
            raise ValueError(
                f"draw_binary_masks: masks of shape {masks.shape[1:]} do not fit an image of {image.shape[:2]}"
            )
        each_color = one_each("colors", colors, len(masks), (str, tuple))
        each_alpha = one_each("alphas", alphas, len(masks), (int, float))
        for mask, color, alpha in zip(masks, each_color, each_alpha, strict=False):
            mixed = image[mask] * (1 - alpha) + np.array(rgb(color)) * alpha
            image[mask] = np.rint(mixed).clip(0, 255).astype(np.uint8)
        self.ax_save.imshow(image, extent=(0, self.width, self.height, 0), interpolation="nearest")
        return self

    def _widths(self, widths: float | list[float], number: int) -> list[float]:
        """Widths that suit the image's size."""
        each = [widths] * number if isinstance(widths, (int, float)) else widths
        return [min(max(width, 1), self._default_font_size / 4) for width in each]
