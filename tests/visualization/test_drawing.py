"""What is drawn is where it should be, and nowhere else: the tests look at pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from runner.logging import Console, MMLogger
from runner.structures import InstanceData, LabelData, PixelData
from runner.visualization import Visualizer

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

GREY = np.full((40, 60, 3), 100, np.uint8)
RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def canvas():
    return Visualizer(image=GREY)


def changed(canvas):
    """Where the image is no longer what it was: (H, W), bool."""
    return (canvas.get_image() != GREY).any(axis=2)


def only_within(where, x1, y1, x2, y2):
    """Whether something was drawn, and nothing of it outside a box."""
    outside = where.copy()
    outside[y1 : y2 + 1, x1 : x2 + 1] = False
    return where.any() and not outside.any()


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1, 3), (40, 60, 3), (33, 101)])
def test_an_image_stays_as_it_is(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    seen = Visualizer(image=image).get_image()
    assert np.array_equal(seen, image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))


def test_a_box_is_its_border(canvas):
    canvas.draw_bboxes(torch.tensor([10.0, 5, 30, 25]), edge_colors=RED, alpha=1)
    where = changed(canvas)
    assert only_within(where, 8, 3, 32, 27)
    assert not where[9:22, 14:27].any()
    assert canvas.get_image()[15, 10].tolist() == [255, 0, 0]
    assert canvas.get_image()[5, 20].tolist() == [255, 0, 0]


def test_boxes_have_colours_and_insides(canvas):
    boxes = np.array([[2, 2, 12, 12], [30, 20, 50, 35]])
    canvas.draw_bboxes(boxes, edge_colors=[RED, BLUE], face_colors=[BLUE, "none"], alpha=1, line_widths=[1, 1])
    image = canvas.get_image()
    assert image[7, 7].tolist() == list(BLUE)
    assert image[27, 40].tolist() == [100] * 3
    assert image[27, 50].tolist()[2] > image[27, 50].tolist()[0]


def test_polygons(canvas):
    triangle = np.array([[10, 5], [50, 5], [10, 35]])
    canvas.draw_polygons([triangle], edge_colors="r", face_colors="r", alpha=1)
    image = canvas.get_image()
    assert image[10, 15].tolist() == [255, 0, 0]
    assert image[34, 45].tolist() == [100] * 3
    assert only_within(changed(canvas), 7, 2, 54, 39)


def test_lines(canvas):
    canvas.draw_lines(np.array([5, 55]), np.array([20, 20]), colors=RED, line_widths=2)
    where = changed(canvas)
    assert only_within(where, 3, 17, 57, 23)
    assert where[20, 8:52].all()


def test_circles(canvas):
    canvas.draw_circles(np.array([30, 20]), np.array([10]), edge_colors=RED, alpha=1)
    where = changed(canvas)
    assert only_within(where, 17, 7, 43, 33)
    assert canvas.get_image()[20, 20].tolist() == [255, 0, 0]
    assert not where[16:25, 26:35].any()


def test_points(canvas):
    canvas.draw_points(torch.tensor([[10.0, 10.0], [50.0, 30.0]]), colors=[RED, BLUE], sizes=np.array([9, 9]))
    image, where = canvas.get_image(), changed(canvas)
    assert image[10, 10].tolist() == list(RED)
    assert image[30, 50].tolist() == list(BLUE)
    where[5:16, 5:16] = where[25:36, 45:56] = False
    assert not where.any()


def test_texts(canvas):
    canvas.draw_texts("Wq", np.array([20, 10]), font_sizes=8, colors=RED)
    where = changed(canvas)
    assert only_within(where, 19, 9, 45, 30)
    right = Visualizer(image=GREY).draw_texts(
        ["Wq", "x"], np.array([[59, 39], [1, 1]]), 8, [RED, BLUE], ["bottom", "top"], ["right", "left"]
    )
    assert changed(right)[:20, 40:].sum() == 0
    assert changed(right)[20:, 30:].any()
    boxed = Visualizer(image=GREY).draw_texts(
        "x", np.array([20, 20]), bboxes={"facecolor": "blue", "edgecolor": "none"}
    )
    assert (boxed.get_image() == BLUE).all(axis=2).any()


def test_masks_are_mixed_in(canvas):
    masks = np.zeros((2, 40, 60), bool)
    masks[0, :10, :10] = True
    masks[1, 20:, 30:] = True
    canvas.draw_binary_masks(torch.from_numpy(masks), [RED, "b"], [0.5, 1.0])
    image = canvas.get_image()
    assert image[5, 5].tolist() == [178, 50, 50]
    assert image[30, 40].tolist() == list(BLUE)
    assert np.array_equal(changed(canvas), masks.any(0))


def test_calls_can_be_chained_and_a_new_image_begins_anew(canvas):
    box = np.array([1, 1, 5, 5])
    assert canvas.draw_bboxes(box).draw_points(box[:2]) is canvas
    assert changed(canvas).any()
    canvas.set_image(GREY)
    assert not changed(canvas).any()


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("draw_bboxes", (np.zeros((2, 3)),), r"bboxes must be of shape \(N, 4\)"),
        ("draw_bboxes", (np.array([5, 5, 1, 1]),), "x1 <= x2"),
        ("draw_points", (np.zeros((2, 3)),), r"positions must be of shape \(N, 2\)"),
        ("draw_lines", (np.zeros((1, 2)), np.zeros((2, 2))), "must both be of shape"),
        ("draw_circles", (np.zeros((2, 2)), np.zeros(1)), r"center must be of shape \(N, 2\)"),
        ("draw_polygons", ([np.zeros((3, 3))],), r"must be of shape \(M, 2\)"),
        ("draw_texts", (["a", "b"], np.zeros((1, 2))), r"positions must be of shape \(2, 2\)"),
        ("draw_texts", (["a", "b"], np.zeros((2, 2)), [1.0]), "font_sizes has 1 values for the 2 things"),
        ("draw_binary_masks", (np.zeros((40, 60), np.uint8),), "dtype bool"),
        ("draw_binary_masks", (np.zeros((4, 6), bool),), "do not fit an image"),
        ("draw_points", (np.zeros((1, 2)), (300, 0, 0)), "three channels from 0 to 255"),
        ("set_image", (np.zeros((2, 2, 2, 2)),), "an image is of shape"),
    ],
)
def test_what_cannot_be_drawn_is_refused(canvas, method, arguments, error):
    with pytest.raises(ValueError, match=error):
        getattr(canvas, method)(*arguments)


def test_a_list_is_no_array(canvas):
    with pytest.raises(TypeError, match="bboxes must be an array or a tensor, got list"):
        canvas.draw_bboxes([1, 2, 3, 4])
    with pytest.raises(ValueError, match="get_image: there is no image to draw on; call set_image"):
        Visualizer().get_image()


def test_what_leaves_the_image_is_said(canvas):
    with pytest.warns(UserWarning, match="the polygon is out of bounds"):
        canvas.draw_bboxes(np.array([50, 30, 70, 50]))


# ---- feature maps ----------------------------------------------------------------------------------------------------


def test_a_feature_map_is_blue_where_it_is_low_and_red_where_it_is_high():
    featmap = torch.linspace(0, 1, 8).expand(3, 4, 8)
    image = Visualizer.draw_featmap(featmap)
    assert image.shape == (4, 8, 3)
    assert image[0, 0].tolist() == [0, 0, 128]
    assert image[0, -1].tolist() == [128, 0, 0]
    assert image[2, 4, 1] > 200


def test_a_feature_map_is_laid_over_an_image():
    featmap = torch.zeros(2, 4, 4)
    featmap[1, 0, 0] = 1
    with pytest.warns(UserWarning, match="the map is resized"):
        mixed = Visualizer.draw_featmap(featmap, GREY, "select_max", alpha=0.25)
    assert mixed.shape == GREY.shape
    assert mixed[39, 59].tolist() == [75, 75, 107]
    assert mixed[0, 0].tolist() == [107, 75, 75]


def test_the_strongest_channels_stand_side_by_side():
    featmap = torch.rand(6, 20, 30, generator=torch.Generator().manual_seed(0))
    featmap[4] = torch.linspace(1, 9, 30)
    image = Visualizer.draw_featmap(featmap, channel_reduction=None, topk=4, arrangement=(2, 2))
    assert image.shape == (40, 60, 3)
    assert image[1, 0].tolist() == [0, 0, 128]
    assert image[1, 29].tolist() == [128, 0, 0]
    with pytest.raises(ValueError, match="no room for topk=4"):
        Visualizer.draw_featmap(featmap, channel_reduction=None, topk=4, arrangement=(1, 2))
    with pytest.raises(ValueError, match="a map of 6 channels is no image"):
        Visualizer.draw_featmap(featmap, channel_reduction=None, topk=0)


# ---- samples ---------------------------------------------------------------------------------------------------------


class Images:
    """A backend's face that keeps the images."""

    save_dir = None

    def __init__(self):
        self.images = {}

    def add_image(self, name, image, step=0):
        self.images[name, step] = image


@pytest.fixture
def keeping(monkeypatch):
    visualizer, kept = Visualizer(), Images()
    visualizer._vis_backends["Images"] = kept
    visualizer.dataset_meta = {"classes": ("cat", "dog"), "palette": [RED, BLUE]}
    return visualizer, kept.images


class Sample:
    def __init__(self, **fields):
        vars(self).update(fields)


BOX = {"bboxes": torch.tensor([[10.0, 12, 40, 30]]), "labels": torch.tensor([1])}


def test_truth_and_prediction_stand_side_by_side(keeping):
    visualizer, images = keeping
    sample = Sample(
        gt_instances=InstanceData(**BOX),
        pred_instances=InstanceData(
            bboxes=torch.tensor([[5.0, 5, 20, 32]]), labels=torch.tensor([0]), scores=torch.tensor([0.9])
        ),
    )
    visualizer.add_datasample("both", GREY, sample, step=3)
    image = images["both", 3]
    assert image.shape == (40, 120, 3)
    left, right = image[:, :60].astype(int), image[:, 60:].astype(int)
    assert left[25, 40, 2] > 150 > left[25, 40, 0]
    assert right[30, 20, 0] > 150 > right[30, 20, 2]
    assert left[35:].tolist() == right[35:].tolist() == GREY[35:].tolist()


@pytest.mark.parametrize(("draw_gt", "draw_pred", "width"), [(True, False, 60), (False, True, 60), (False, False, 60)])
def test_one_side_can_be_left_out(keeping, draw_gt, draw_pred, width):
    visualizer, images = keeping
    sample = {"gt_instances": BOX, "pred_instances": BOX}
    visualizer.add_datasample("one", GREY, sample, draw_gt=draw_gt, draw_pred=draw_pred)
    assert images["one", 0].shape[1] == width
    assert (images["one", 0] != GREY).any() == (draw_gt or draw_pred)


SEGMENTS = torch.zeros(1, 40, 60, dtype=torch.long)
SEGMENTS[:, 10:20] = 1
SEGMENTS[:, 30:] = 255
MASK = torch.zeros(1, 40, 60, dtype=torch.bool)
MASK[0, 10:20, 10:20] = True

SAMPLES = {
    "boxes beyond the image": (Sample(bboxes=torch.tensor([[-5.0, 5, 80, 50]]), labels=torch.tensor([0])), (5, 30)),
    "masks": (Sample(pred_instances=InstanceData(masks=MASK, labels=torch.tensor([0]))), (15, 15)),
    "pixels": (Sample(pred_sem_seg=PixelData(data=SEGMENTS)), (15, 30)),
    "a label": (Sample(pred_label=LabelData(label=torch.tensor([1]))), (4, 4)),
    "a label and its scores": ({"pred_label": torch.tensor(1), "pred_score": torch.tensor([0.2, 0.8])}, (4, 4)),
    "scores alone": (torch.tensor([0.3, 0.7]), (4, 4)),
    "a class": (1, (4, 4)),
}


@pytest.mark.parametrize(("sample", "place"), SAMPLES.values(), ids=SAMPLES)
def test_whatever_a_sample_is_made_of(keeping, sample, place):
    visualizer, images = keeping
    visualizer.add_datasample("it", torch.from_numpy(GREY), sample)
    image = images["it", 0]
    # Where there is a text alone, a small image is shown three times as large.
    assert image.shape in {(40, 60, 3), (120, 180, 3)}
    assert (image.shape == (120, 180, 3)) == (place == (4, 4))
    assert image[place].tolist() != [100] * 3


def test_pixels_of_no_class_stay(keeping):
    visualizer, images = keeping
    visualizer.add_datasample("it", GREY, Sample(gt_sem_seg=PixelData(data=SEGMENTS)))
    image = images["it", 0]
    assert (image[30:] == GREY[30:]).all()
    assert image[15, 5].tolist() == [50, 50, 178]
    assert image[5, 5].tolist() == [178, 50, 50]


def test_an_image_is_kept_where_nothing_is_known(keeping):
    visualizer, images = keeping
    visualizer.add_datasample("it", GREY, Sample(other=1))
    assert np.array_equal(images["it", 0], GREY)


# ---- windows ---------------------------------------------------------------------------------------------------------


def test_without_a_screen_showing_says_so_and_goes_on(canvas, monkeypatch):
    from matplotlib import pyplot as plt

    monkeypatch.setattr(plt, "get_backend", lambda: "agg")
    screen = io.StringIO()
    with MMLogger(console=Console(screen, live=False)).current():
        assert canvas.show(win_name="mine") is None
    assert "'mine' is not shown: there is no screen" in screen.getvalue()
    with pytest.raises(ValueError, match="OpenCV is not used"):
        canvas.show(backend="cv2")
    canvas.close()


def test_a_window_waits_for_its_key_or_its_end(monkeypatch):
    """A screen that is none: its event loop plays back events."""
    from matplotlib import pyplot as plt
    from matplotlib.backend_bases import CloseEvent, KeyEvent

    monkeypatch.setattr(plt, "get_backend", lambda: "playback")
    canvas = Visualizer(image=GREY)
    script = []

    def play(timeout=0):
        played.append(timeout)
        if script:
            event = script.pop(0)(figure)
            figure.callbacks.process(event.name, event)

    real = plt.new_figure_manager
    played = []
    figure = None

    def made(*args, **kwargs):
        nonlocal figure
        manager = real(*args, **kwargs)
        figure = manager.canvas
        figure.start_event_loop = play
        figure.stop_event_loop = lambda: None
        figure.figure.show = lambda: None
        return manager

    monkeypatch.setattr(plt, "new_figure_manager", made)
    script[:] = [lambda c: KeyEvent("key_press_event", c, "x"), lambda c: KeyEvent("key_press_event", c, "q")]
    assert canvas.show(continue_key="q") is None
    assert played == [0.0, 0.0]
    assert canvas.show(wait_time=2.0) is None
    assert played == [0.0, 0.0, 2.0]
    script[:] = [lambda c: CloseEvent("close_event", c)]
    canvas.show()
    before = figure
    canvas.show(wait_time=1.0)
    assert figure is not before  # it was closed, and is opened anew
    canvas.close()


def test_drawing_without_matplotlib_says_what_to_install(monkeypatch):
    from runner.visualization import optional

    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    with pytest.raises(optional.MissingPackage, match=r"drawing needs matplotlib.*pip install 'yaml-runner\[draw\]'"):
        Visualizer(image=GREY)
    Visualizer()
