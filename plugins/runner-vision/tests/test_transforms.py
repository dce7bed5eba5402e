from __future__ import annotations

import math

import numpy as np
import PIL.Image
import pytest
import torch

from runner_vision import transforms
from runner_vision.transforms import functional as F  # noqa: N812 - the field's name for it

HEIGHT, WIDTH = 6, 4


def pixels(channels: int = 3) -> np.ndarray:
    """Bytes that are all different, so that every pixel tells where it comes from."""
    return np.arange(HEIGHT * WIDTH * channels, dtype=np.uint8).reshape(HEIGHT, WIDTH, channels)


def pil(channels: int = 3) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels(channels).squeeze())


def tensor(channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(pixels(channels).transpose(2, 0, 1).copy())


def as_array(image) -> np.ndarray:
    """(H, W, C) of either kind of image."""
    if isinstance(image, torch.Tensor):
        return image.numpy().transpose(1, 2, 0)
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


both = pytest.mark.parametrize("make", [pil, tensor])
channel_counts = pytest.mark.parametrize("channels", [1, 3])

EVERY = [
    transforms.CenterCrop(3),
    transforms.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    transforms.Grayscale(3),
    transforms.Pad(2, padding_mode="reflect"),
    transforms.RandomCrop(3, padding=1),
    transforms.RandomHorizontalFlip(p=1.0),
    transforms.RandomResizedCrop(5),
    transforms.RandomRotation(30),
    transforms.RandomVerticalFlip(p=1.0),
    transforms.Resize(7),
]


@both
@pytest.mark.parametrize("transform", EVERY, ids=lambda transform: type(transform).__name__)
class TestEvery:
    def test_gives_the_kind_of_image_that_it_got(self, make, transform):
        image = transform(make())
        assert type(image) is type(make()) or isinstance(image, PIL.Image.Image)
        assert as_array(image).dtype == np.uint8
        assert as_array(image).shape[2] == 3

    def test_depends_on_torchs_generator_alone(self, make, transform):
        torch.manual_seed(5)
        first = as_array(transform(make()))
        np.random.seed(1)
        torch.manual_seed(5)
        assert np.array_equal(first, as_array(transform(make())))

    def test_leaves_its_input_as_it_is(self, make, transform):
        image = make()
        transform(image)
        assert np.array_equal(as_array(image), pixels())

    def test_refuses_what_is_no_image(self, make, transform):
        with pytest.raises(TypeError, match="takes a PIL image or a tensor"):
            transform([1, 2, 3])

    def test_says_what_it_is(self, make, transform):
        assert type(transform).__name__ in repr(transform)


class TestToTensor:
    @channel_counts
    def test_scales_bytes(self, channels):
        image = transforms.ToTensor()(pil(channels))
        assert image.dtype == torch.float32
        assert image.equal(tensor(channels).float() / 255)
        assert transforms.ToTensor()(pixels(channels)).equal(image)

    @pytest.mark.parametrize(("mode", "dtype"), [("I", torch.int32), ("F", torch.float32), ("I;16", torch.int32)])
    def test_keeps_wide_numbers(self, mode, dtype):
        image = transforms.ToTensor()(PIL.Image.new(mode, (2, 2), 300))
        assert image.dtype == dtype
        assert image.tolist() == [[[300, 300], [300, 300]]]

    def test_reads_black_and_white(self):
        assert transforms.ToTensor()(PIL.Image.new("1", (2, 1), 1)).tolist() == [[[1, 1]]]

    def test_says_that_a_tensor_needs_none(self):
        with pytest.raises(TypeError, match="leave it out"):
            transforms.ToTensor()(torch.zeros(1, 2, 2))

    def test_refuses_other_shapes(self):
        with pytest.raises(ValueError, match="takes \\(H, W\\)"):
            transforms.ToTensor()(np.zeros((1, 2, 3, 4), np.uint8))


class TestNormalize:
    def test_subtracts_and_divides(self):
        image = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1).expand(3, 2, 2).clone()
        result = transforms.Normalize([0.5, 1.0, 1.0], [0.5, 0.5, 4.0])(image)
        assert result[:, 0, 0].tolist() == [1.0, 2.0, 0.5]
        assert image[0, 0, 0] == 1.0

    def test_works_in_place_where_asked_to(self):
        image = torch.ones(1, 2, 2)
        assert transforms.Normalize([0.5], [0.5], inplace=True)(image) is image

    @pytest.mark.parametrize(
        ("image", "mean", "std", "error", "said"),
        [
            (torch.zeros(1, 2, 2, dtype=torch.uint8), [0], [1], TypeError, "put ToTensor before it"),
            (PIL.Image.new("L", (2, 2)), [0], [1], TypeError, "put ToTensor before it"),
            (torch.zeros(2, 2), [0], [1], ValueError, "takes \\(..., C, H, W\\)"),
            (torch.zeros(1, 2, 2), [0], [0], ValueError, "no deviation may be zero"),
            (torch.zeros(3, 2, 2), [0, 0], [1, 1], ValueError, "image of 3 channels"),
        ],
    )
    def test_says_what_it_takes(self, image, mean, std, error, said):
        with pytest.raises(error, match=said):
            transforms.Normalize(mean, std)(image)


class TestFlips:
    @both
    def test_always_and_never(self, make):
        assert np.array_equal(as_array(transforms.RandomHorizontalFlip(p=1.0)(make())), pixels()[:, ::-1])
        assert np.array_equal(as_array(transforms.RandomVerticalFlip(p=1.0)(make())), pixels()[::-1])
        assert np.array_equal(as_array(transforms.RandomHorizontalFlip(p=0.0)(make())), pixels())

    def test_one_draw_decides(self):
        torch.manual_seed(3)
        draws = [torch.rand(1).item() < 0.5 for _ in range(20)]
        torch.manual_seed(3)
        flip = transforms.RandomHorizontalFlip()
        flipped = [not np.array_equal(as_array(flip(tensor())), pixels()) for _ in range(20)]
        assert flipped == draws
        assert 0 < sum(flipped) < 20


class TestCrops:
    @both
    @pytest.mark.parametrize(
        ("size", "rows", "columns"), [(2, (2, 4), (1, 3)), ((4, 2), (1, 5), (1, 3)), ([6], None, None)]
    )
    def test_the_middle(self, make, size, rows, columns):
        result = as_array(transforms.CenterCrop(size)(make()))
        if rows is None:
            expected = np.pad(pixels(), ((0, 0), (1, 1), (0, 0)))
        else:
            expected = pixels()[rows[0] : rows[1], columns[0] : columns[1]]
        assert np.array_equal(result, expected)

    @both
    def test_anywhere_is_a_window_at_the_drawn_place(self, make):
        torch.manual_seed(11)
        top, left = (int(torch.randint(0, bound, (1,))) for bound in (HEIGHT - 3 + 1, WIDTH - 2 + 1))
        torch.manual_seed(11)
        result = as_array(transforms.RandomCrop((3, 2))(make()))
        assert np.array_equal(result, pixels()[top : top + 3, left : left + 2])

    @both
    def test_every_place_comes_up(self, make):
        crop = transforms.RandomCrop((HEIGHT, WIDTH), padding=1)
        padded = np.pad(pixels(), ((1, 1), (1, 1), (0, 0)))
        windows = {padded[top : top + HEIGHT, left : left + WIDTH].tobytes() for top in range(3) for left in range(3)}
        assert {as_array(crop(make())).tobytes() for _ in range(200)} == windows

    def test_draws_nothing_where_there_is_one_place(self):
        before = torch.get_rng_state()
        transforms.RandomCrop((HEIGHT, WIDTH))(tensor())
        assert torch.get_rng_state().equal(before)

    @both
    def test_too_small_an_image(self, make):
        with pytest.raises(ValueError, match=r"8 x 8 pixels out of an image of 6 x 4.*pad_if_needed"):
            transforms.RandomCrop(8)(make())
        assert as_array(transforms.RandomCrop(8, pad_if_needed=True)(make())).shape == (8, 8, 3)

    @pytest.mark.parametrize(("scale", "ratio"), [((0.5, 0.5), (1.0, 1.0)), ((0.1, 0.9), (0.5, 2.0))])
    def test_resized_parts_stay_in_bounds(self, scale, ratio):
        image = torch.zeros(1, 40, 30)
        for _ in range(50):
            top, left, height, width = transforms.RandomResizedCrop.get_params(image, scale, ratio)
            assert 0 <= top <= 40 - height
            assert 0 <= left <= 30 - width
            assert scale[0] - 0.05 <= height * width / 1200 <= scale[1] + 0.05
            assert ratio[0] - 0.1 <= width / height <= ratio[1] + 0.15

    def test_resized_falls_back_to_the_middle(self):
        image = torch.zeros(1, 10, 40)
        assert transforms.RandomResizedCrop.get_params(image, (4.0, 5.0), (1.0, 2.0)) == (0, 10, 10, 20)

    @both
    def test_resized_has_the_size_asked_for(self, make):
        assert as_array(transforms.RandomResizedCrop((5, 9))(make())).shape == (5, 9, 3)


class TestPad:
    @both
    @pytest.mark.parametrize(
        ("padding", "widths"),
        [
            (2, ((2, 2), (2, 2))),
            ([1, 2], ((2, 2), (1, 1))),
            ((1, 2, 3, 0), ((2, 0), (1, 3))),
            (0, ((0, 0), (0, 0))),
        ],
    )
    @pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
    def test_equals_numpys(self, make, padding, widths, mode):
        expected = np.pad(pixels(), (*widths, (0, 0)), mode=mode)
        assert np.array_equal(as_array(transforms.Pad(padding, padding_mode=mode)(make())), expected)

    @both
    @pytest.mark.parametrize("fill", [7, (1, 2, 3)])
    def test_fills(self, make, fill):
        result = as_array(transforms.Pad(1, fill=fill)(make()))
        assert result[0, 0].tolist() == ([7, 7, 7] if fill == 7 else [1, 2, 3])
        assert np.array_equal(result[1:-1, 1:-1], pixels())

    @both
    def test_keeps_the_channels(self, make):
        assert as_array(transforms.Pad(1, fill=9)(make(1))).shape == (8, 6, 1)

    @both
    @pytest.mark.parametrize("options", [{"padding": [1, 2, 3]}, {"padding": -1}, {"padding": 1, "fill": (1, 2)}])
    def test_says_what_it_takes(self, make, options):
        with pytest.raises(ValueError, match="takes"):
            transforms.Pad(**options)(make())

    def test_a_mirror_has_an_end(self):
        with pytest.raises(ValueError, match="cannot mirror"):
            transforms.Pad(4, padding_mode="reflect")(tensor())


class TestResize:
    @both
    @pytest.mark.parametrize(
        ("size", "max_size", "shape"),
        [(8, None, (12, 8)), ([2], None, (3, 2)), ((5, 7), None, (5, 7)), (8, 10, (10, 6)), (4, None, (6, 4))],
    )
    def test_sizes(self, make, size, max_size, shape):
        assert as_array(transforms.Resize(size, max_size=max_size)(make())).shape[:2] == shape

    @both
    def test_nearest_repeats_pixels(self, make):
        result = as_array(transforms.Resize((12, 8), interpolation="nearest")(make()))
        assert np.array_equal(result, pixels().repeat(2, axis=0).repeat(2, axis=1))

    @both
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_a_plain_image_stays_plain(self, make, interpolation):
        plain = transforms.Pad(0)(make())
        plain = PIL.Image.new("RGB", (WIDTH, HEIGHT), (9, 9, 9)) if make is pil else torch.full_like(plain, 9)
        assert set(as_array(transforms.Resize(15, interpolation)(plain)).ravel()) == {9}

    def test_averages_on_the_way_down(self):
        columns = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 32, 32)
        assert transforms.Resize(8)(columns)[0, 4, 4] == pytest.approx(0.5, abs=0.01)

    def test_takes_torchvisions_names(self):
        mode = transforms.InterpolationMode.NEAREST
        assert np.array_equal(as_array(transforms.Resize(4, mode)(pil())), pixels())

    @pytest.mark.parametrize(("size", "max_size"), [(8, 8), ((3, 3), 9), ([1, 2, 3], None)])
    def test_says_what_it_takes(self, size, max_size):
        with pytest.raises(ValueError, match="size"):
            transforms.Resize(size, max_size=max_size)(pil())

    def test_names_what_works_on_pil_only(self):
        with pytest.raises(ValueError, match="put Resize before ToTensor"):
            transforms.Resize(9, "lanczos")(tensor())


class TestRotation:
    @both
    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_quarter_turns_counter_clockwise(self, make, turns):
        rotate = transforms.RandomRotation((90 * turns, 90 * turns), expand=True)
        assert np.array_equal(as_array(rotate(make())), np.rot90(pixels(), turns))

    @both
    def test_fills_what_comes_into_view(self, make):
        image = F.rotate(make(), 45, expand=True, fill=200)
        assert as_array(image)[0, 0].tolist() == [200, 200, 200]

    @both
    def test_keeps_the_center_where_it_is(self, make):
        image = as_array(F.rotate(make(), 180, center=(1, 1)))
        assert np.array_equal(image[:2, :2], pixels()[:2, :2][::-1, ::-1])

    @both
    def test_grows_to_hold_all(self, make):
        height, width = as_array(F.rotate(make(), 45, expand=True)).shape[:2]
        diagonal = (HEIGHT + WIDTH) / math.sqrt(2)
        assert diagonal <= height <= diagonal + 2
        assert diagonal <= width <= diagonal + 2

    def test_angles_stay_in_range(self):
        angles = [transforms.RandomRotation.get_params((-10, 30)) for _ in range(100)]
        assert -10 <= min(angles) < 0
        assert 20 < max(angles) <= 30
        assert transforms.RandomRotation(15).degrees == (-15.0, 15.0)


class TestColor:
    def test_tensor_formulas(self):
        image = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1).expand(3, 2, 2).clone()
        gray = 0.2989 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
        expected = {
            F.adjust_brightness: [0.4, 0.8, 1.0],
            F.adjust_contrast: [max(0, 2 * value - gray) for value in (0.2, 0.4, 0.6)],
            F.adjust_saturation: [max(0, 2 * value - gray) for value in (0.2, 0.4, 0.6)],
        }
        for function, values in expected.items():
            assert function(image, 2.0)[:, 0, 0].tolist() == pytest.approx([min(1, value) for value in values])
            assert function(image, 1.0).equal(image)

    @pytest.mark.parametrize("function", [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation])
    @pytest.mark.parametrize("factor", [0.0, 0.5, 1.7])
    def test_tensors_and_pil_images_agree(self, function, factor):
        random = np.random.RandomState(0).randint(0, 256, (8, 8, 3)).astype(np.uint8)
        of_pil = as_array(function(PIL.Image.fromarray(random), factor)).astype(int)
        of_tensor = as_array(function(torch.from_numpy(random.transpose(2, 0, 1).copy()), factor)).astype(int)
        assert abs(of_pil - of_tensor).max() <= 2

    @pytest.mark.parametrize(("turn", "expected"), [(1 / 3, (0, 255, 0)), (-1 / 3, (0, 0, 255)), (0.5, (0, 255, 255))])
    def test_hue_turns_the_wheel(self, turn, expected):
        red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1).expand(3, 2, 2)
        assert F.adjust_hue(red, turn)[:, 0, 0].tolist() == list(expected)
        of_pil = F.adjust_hue(PIL.Image.new("RGB", (1, 1), (255, 0, 0)), turn).getpixel((0, 0))
        assert np.abs(np.array(of_pil) - expected).max() <= 6

    def test_grayscale(self):
        gray = transforms.Grayscale()(tensor())
        assert gray.shape == (1, HEIGHT, WIDTH)
        assert np.abs(as_array(gray).astype(int) - as_array(transforms.Grayscale()(pil()))).max() <= 1
        three = transforms.Grayscale(3)(tensor())
        assert three[0].equal(three[2])

    @pytest.mark.parametrize(
        "options", [{"brightness": -1}, {"contrast": (2, 1)}, {"saturation": (-1, 1)}, {"hue": 0.6}, {"hue": (-1, 0)}]
    )
    def test_says_what_it_takes(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            transforms.ColorJitter(**options)

    def test_draws_only_for_what_changes(self):
        torch.manual_seed(0)
        transforms.ColorJitter(brightness=0.5)(tensor())
        after = torch.get_rng_state()
        torch.manual_seed(0)
        torch.randperm(4)
        torch.empty(1).uniform_(0.5, 1.5)
        assert torch.get_rng_state().equal(after)


class TestErasing:
    @pytest.mark.parametrize("value", [5, (1, 2, 3), "random"])
    def test_erases_a_rectangle(self, value):
        image = torch.full((3, 30, 20), 0.5)
        result = transforms.RandomErasing(p=1, value=value)(image)
        changed = (result != image).any(dim=0)
        rows, columns = changed.any(dim=1).nonzero().flatten(), changed.any(dim=0).nonzero().flatten()
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        assert changed[top:bottom, left:right].all()
        assert 0.01 < (bottom - top) * (right - left) / 600 < 0.4
        if value != "random":
            expected = (5, 5, 5) if value == 5 else value
            assert result[:, top, left].tolist() == list(expected)
        assert (image == 0.5).all()

    def test_sometimes_does_nothing(self):
        image = torch.zeros(3, 8, 8)
        assert transforms.RandomErasing(p=0)(image) is image

    def test_takes_tensors_only(self):
        with pytest.raises(TypeError, match="put ToTensor before it"):
            transforms.RandomErasing()(pil())

    @pytest.mark.parametrize("options", [{"scale": (0.5, 0.1)}, {"ratio": (2, 1)}, {"value": "noise"}])
    def test_says_what_it_takes(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            transforms.RandomErasing(**options)


class TestCompose:
    def test_applies_in_order(self):
        assert transforms.Compose([lambda number: number + 1, lambda number: number * 10])(1) == 20

    def test_refuses_what_cannot_be_called(self):
        with pytest.raises(TypeError, match="got dict as transform 1"):
            transforms.Compose([str, {"type": "ToTensor"}])
