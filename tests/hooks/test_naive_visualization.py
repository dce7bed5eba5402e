from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from runner import Runner
from runner.dataset import pseudo_collate
from runner.evaluator import BaseMetric
from runner.hooks import NaiveVisualizationHook
from runner.model import BaseModel
from runner.structures import BaseDataElement as Element
from runner.structures import InstanceData
from runner.visualization import BaseVisBackend
from runner.visualization.batch import as_image, samples_of

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

BOX = torch.tensor([[2.0, 2, 20, 20]])
PREDICTED = torch.tensor([[30.0, 5, 44, 25]])


class Pictures(Dataset):
    """Four images of 40 x 60 bytes, which were 30 x 50 before they were padded, with a box on each."""

    def __init__(self):
        self.metainfo = {"classes": ("thing",), "palette": [(255, 0, 0)]}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        meta = {"img_path": f"folder/{index}.png", "img_shape": (30, 50), "ori_shape": (30, 50)}
        sample = Element(metainfo=meta, gt_instances=InstanceData(bboxes=BOX, labels=torch.tensor([0])))
        return {"inputs": torch.full((3, 40, 60), 100, dtype=torch.uint8), "data_samples": sample}


class Detector(BaseModel):
    def forward(self, inputs, data_samples=None, mode="tensor"):
        for sample in data_samples:
            sample.pred_instances = InstanceData(bboxes=PREDICTED, labels=torch.tensor([0]))
        return data_samples


class Nothing(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        return {}


class Kept(BaseVisBackend):
    def __init__(self):
        super().__init__()
        self.images = {}
        self.graphs = []

    def add_image(self, name, image, step=0):
        self.images[name] = image

    def add_graph(self, model, data_batch):
        self.graphs.append(model)


def pictures(tmp_path, **options):
    backend = Kept()
    Runner(
        model=Detector(),
        work_dir=str(tmp_path),
        test_dataloader=DataLoader(Pictures(), batch_size=2, collate_fn=pseudo_collate),
        test_cfg={},
        test_evaluator=Nothing(),
        custom_hooks=[{"type": "NaiveVisualizationHook", **options}],
        visualizer={"vis_backends": [backend]},
    ).test()
    return backend.images


def test_truth_and_prediction_are_drawn_on_the_image_as_it_was(tmp_path):
    images = pictures(tmp_path)
    assert sorted(images) == ["0.png", "1.png", "2.png", "3.png"]
    image = images["0.png"].astype(int)
    assert image.shape == (30, 100, 3)
    # The palette's red: the truth's lower border on the left, the prediction's on the right, nothing else there.
    assert image[20, 10, 0] > 180 > image[20, 10, 1] + 60
    assert image[25, 88, 0] > 180 > image[25, 88, 1] + 60
    assert (image[27:] == 100).all()


@pytest.mark.parametrize(
    ("options", "number", "width"),
    [({"interval": 2}, 2, 100), ({"draw_gt": False}, 4, 50), ({"draw_pred": False}, 4, 50)],
    ids=str,
)
def test_what_is_drawn_can_be_chosen(tmp_path, options, number, width):
    images = pictures(tmp_path, **options)
    assert len(images) == number
    assert next(iter(images.values())).shape[1] == width


def test_the_model_is_handed_to_the_backends(tmp_path):
    class Fits(BaseModel):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, inputs, mode="tensor"):
            return {"loss": self.layer(inputs).mean()}

    backend, model = Kept(), Fits()
    Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=DataLoader(torch.ones(2, 1)),
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=[NaiveVisualizationHook()],
        visualizer={"vis_backends": [backend]},
    ).train()
    assert backend.graphs == [model]


BYTES = torch.full((2, 3, 4, 4), 7, dtype=torch.uint8)
SCORES = torch.tensor([0.2, 0.8])

BATCHES = {
    "images and labels": ((BYTES, torch.tensor([0, 1])), {"gt_label": 1, "pred_score": SCORES}),
    "a mapping": ({"images": BYTES, "labels": [0, 1]}, {"gt_label": 1, "pred_score": SCORES}),
    "images alone": ([BYTES], {"pred_score": SCORES}),
    "a list of mappings": (
        [{"inputs": BYTES[0], "data_sample": {"gt_label": 5}}] * 2,
        {"gt_label": 5, "pred_score": SCORES},
    ),
}


@pytest.mark.parametrize(("batch", "expected"), BATCHES.values(), ids=BATCHES)
def test_batches_of_any_form(batch, expected):
    _, shown = samples_of(batch, [SCORES, SCORES])
    assert {key: value if key == "pred_score" else int(value) for key, value in shown.sample.items()} == expected
    assert shown.image.tolist() == [[[7] * 3] * 4] * 4


def test_a_batch_without_images_is_named():
    with pytest.raises(ValueError, match=r"no images in a batch of type dict; .* keys inputs, images"):
        next(samples_of({"text": "x"}, [1]))


@pytest.mark.parametrize(
    ("pixels", "facts", "value"),
    [
        (torch.full((1, 2, 2), 9, dtype=torch.uint8), {}, 9),
        (torch.full((2, 2), 0.5), {}, 128),
        (torch.tensor([[-1.0, 1.0]]), {}, [0, 255]),
        (torch.zeros(3, 2, 2), {"img_norm_cfg": {"mean": [10, 10, 10], "std": [2, 2, 2]}}, 10),
    ],
)
def test_inputs_are_images_again(pixels, facts, value):
    image = as_image(pixels, facts)
    assert image.shape[2] == 3
    assert image[0, :2, 0].tolist() == (value if isinstance(value, list) else [value] * 2)
