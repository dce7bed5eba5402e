from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, top_k_accuracy_score
from torch.nn.functional import cross_entropy

from runner.evaluator import Evaluator
from runner_vision.metrics import Accuracy, ConfusionMatrix
from runner_vision.models import SmallConvNet


class TestSmallConvNet:
    @pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 19)])
    def test_takes_images_of_any_size(self, channels, size):
        model = SmallConvNet(num_classes=7, in_channels=channels, width=4)
        assert model(torch.rand(2, channels, size, size)).shape == (2, 7)

    def test_loss_is_the_mean_cross_entropy(self):
        model = SmallConvNet(width=4, label_smoothing=0.1).eval()
        images, labels = torch.rand(5, 1, 8, 8), torch.tensor([1, 2, 3, 4, 5])
        losses = model(images, labels, mode="loss")
        assert losses["loss"].equal(cross_entropy(model(images), labels, label_smoothing=0.1))

    def test_predictions_are_probabilities(self):
        model = SmallConvNet(width=4).eval()
        images, labels = torch.rand(5, 1, 8, 8), torch.tensor([1, 2, 3, 4, 5])
        predictions = model.val_step([images, labels])
        assert len(predictions) == 5
        assert predictions[2]["pred_score"].sum().item() == pytest.approx(1)
        assert predictions[2]["pred_label"] == predictions[2]["pred_score"].argmax()
        assert predictions[2]["gt_label"] == 3
        assert "gt_label" not in model(images, mode="predict")[0]

    def test_a_loss_needs_labels(self):
        with pytest.raises(ValueError, match="needs labels"):
            SmallConvNet(width=4)(torch.rand(2, 1, 8, 8), mode="loss")

    def test_drops_only_in_training(self):
        model, image = SmallConvNet(width=4, dropout=0.5), torch.rand(2, 1, 8, 8)
        assert not model(image).equal(model(image))
        model.eval()
        assert model(image).equal(model(image))


CLASSES, BATCHES = 6, (9, 9, 4)
SAMPLES = sum(BATCHES)


def outputs(form: str):
    """Batches of (batch, outputs) in a form that a model may use, with scores and labels of all of them."""
    random = np.random.RandomState(4)
    scores = random.rand(SAMPLES, CLASSES).astype(np.float32)
    truths = random.randint(0, CLASSES, SAMPLES)
    pairs, start = [], 0
    for size in BATCHES:
        score, truth = torch.from_numpy(scores[start : start + size]), torch.from_numpy(truths[start : start + size])
        images = torch.zeros(size, 1, 2, 2)
        batch = {
            "mappings with gt_label": None,
            "a tensor of scores": (images, truth),
            "a list of scores": {"inputs": images, "labels": list(truth)},
            "mappings of labels": [images, truth],
        }
        said = {
            "mappings with gt_label": [
                {"pred_score": each, "gt_label": label} for each, label in zip(score, truth, strict=True)
            ],
            "a tensor of scores": score,
            "a list of scores": list(score),
            "mappings of labels": [{"pred_label": each.argmax()} for each in score],
        }
        pairs.append((batch[form], said[form]))
        start += size
    return pairs, scores, truths


def evaluate(metric, pairs, size=SAMPLES):
    evaluator = Evaluator([metric])
    for batch, said in pairs:
        evaluator.process(data_samples=said, data_batch=batch)
    return evaluator.evaluate(size)


FORMS = ["mappings with gt_label", "a tensor of scores", "a list of scores", "mappings of labels"]


class TestAccuracy:
    @pytest.mark.parametrize("form", FORMS[:3])
    def test_equals_scikit_learns(self, form):
        pairs, scores, truths = outputs(form)
        metrics = evaluate(Accuracy(topk=(1, 3, CLASSES)), pairs)
        assert list(metrics) == ["accuracy/top1", "accuracy/top3", f"accuracy/top{CLASSES}"]
        for k, found in zip((1, 3), metrics.values(), strict=False):
            expected = top_k_accuracy_score(truths, scores, k=k, labels=range(CLASSES))
            assert found == pytest.approx(100 * expected)
        assert metrics[f"accuracy/top{CLASSES}"] == 100

    def test_labels_are_enough_for_top1(self):
        pairs, scores, truths = outputs("mappings of labels")
        assert evaluate(Accuracy(), pairs)["accuracy/top1"] == pytest.approx(100 * (scores.argmax(1) == truths).mean())
        with pytest.raises(ValueError, match="needs scores"):
            evaluate(Accuracy(topk=2), pairs)

    def test_drops_what_ranks_repeated(self):
        pairs, scores, truths = outputs(FORMS[0])
        expected = 100 * (scores.argmax(1) == truths)[:10].mean()
        assert evaluate(Accuracy(), pairs, size=10)["accuracy/top1"] == pytest.approx(expected)

    def test_another_prefix(self):
        assert list(evaluate(Accuracy(prefix="val"), outputs(FORMS[0])[0])) == ["val/top1"]

    @pytest.mark.parametrize("topk", [0, (), (1, -1)])
    def test_says_what_topk_takes(self, topk):
        with pytest.raises(ValueError, match="topk"):
            Accuracy(topk=topk)

    def test_no_more_than_there_are_classes(self):
        with pytest.raises(ValueError, match="topk=7 of 6 classes"):
            evaluate(Accuracy(topk=7), outputs(FORMS[0])[0])

    @pytest.mark.parametrize(
        ("batch", "said", "message"),
        [
            (None, [torch.rand(3)], "takes \\(images, labels\\)"),
            ({"x": 1}, [torch.rand(3)], "no labels"),
            ((torch.zeros(1), torch.tensor([0, 1])), [torch.rand(3)], "1 labels for a batch of 2"),
            ((torch.zeros(1), torch.tensor([0])), [{"score": 1}], "pred_label is missing"),
        ],
    )
    def test_names_outputs_that_it_cannot_read(self, batch, said, message):
        with pytest.raises(ValueError, match=message):
            Accuracy().process(batch, said)


class TestConfusionMatrix:
    @pytest.mark.parametrize("form", FORMS)
    def test_equals_scikit_learns(self, form):
        pairs, scores, truths = outputs(form)
        result = evaluate(ConfusionMatrix(), pairs)["confusion_matrix/result"]
        assert result == confusion_matrix(truths, scores.argmax(1), labels=range(CLASSES)).tolist()

    def test_has_a_row_for_every_class(self):
        assert len(evaluate(ConfusionMatrix(num_classes=9), outputs(FORMS[0])[0])["confusion_matrix/result"]) == 9
        metric = ConfusionMatrix()
        metric.dataset_meta = {"classes": "abcdefgh"}
        pairs = outputs(FORMS[0])[0]
        for batch, said in pairs:
            metric.process(batch, said)
        assert len(metric.evaluate(SAMPLES)["confusion_matrix/result"]) == 8

    def test_refuses_too_few_classes(self):
        with pytest.raises(ValueError, match="num_classes is 2"):
            evaluate(ConfusionMatrix(num_classes=2), outputs(FORMS[0])[0])
