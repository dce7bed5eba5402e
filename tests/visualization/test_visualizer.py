from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.config import Config
from runner.visualization import BaseVisBackend, LocalVisBackend, Visualizer


def decoded(data):
    """An independent reader of what the writer makes: 8 bits, no filter, no interlacing."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, body, header = 8, b"", None
    while position < len(data):
        (length,), kind = struct.unpack(">I", data[position : position + 4]), data[position + 4 : position + 8]
        chunk = data[position + 8 : position + 8 + length]
        assert zlib.crc32(kind + chunk) == struct.unpack(">I", data[position + 8 + length : position + 12 + length])[0]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        body += chunk if kind == b"IDAT" else b""
        position += 12 + length
    width, height, depth, color, *rest = header
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 6: 4}[color]
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels)


@pytest.fixture
def visualizer(tmp_path):
    visualizer = Visualizer(vis_backends=[LocalVisBackend()], save_dir=str(tmp_path))
    yield visualizer
    visualizer.close()


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 1), (3, 5, 3), (3, 5, 4), (1, 1)])
def test_images_are_written_as_png(visualizer, tmp_path, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    visualizer.add_image("a/b", image, 3)
    file = tmp_path / "vis_data" / "vis_image" / "a" / "b_3.png"
    assert np.array_equal(decoded(file.read_bytes()), image.reshape(shape[0], shape[1], -1))


def test_tensors_are_images_too(visualizer, tmp_path):
    visualizer.add_image("x", torch.full((2, 2, 3), 7, dtype=torch.uint8))
    assert decoded((tmp_path / "vis_data" / "vis_image" / "x_0.png").read_bytes()).tolist() == [[[7] * 3] * 2] * 2


@pytest.mark.parametrize("image", [np.zeros((2, 2)), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2), np.uint8)])
def test_what_is_no_image_is_refused(visualizer, image):
    with pytest.raises(ValueError, match="must be uint8 of shape"):
        visualizer.add_image("x", image)


@pytest.mark.parametrize("name", ["../x", "/etc/x"])
def test_an_images_name_stays_in_its_folder(visualizer, name):
    with pytest.raises(ValueError, match="leads out of"):
        visualizer.add_image(name, np.zeros((1, 1), np.uint8))


def test_scalars_are_lines_of_json(visualizer, tmp_path):
    visualizer.add_scalar("a", torch.tensor(0.5), 1)
    visualizer.add_scalars({"b": np.float32(2), "c": 3}, 2, file_path="more.json")
    visualizer.close()
    visualizer.add_scalars({"b": 1.0, "step": 9})
    lines = [json.loads(line) for line in (tmp_path / "vis_data" / "scalars.json").read_text().splitlines()]
    assert lines == [{"step": 1, "a": 0.5}, {"step": 2, "b": 2.0, "c": 3}, {"step": 9, "b": 1.0}]
    assert json.loads((tmp_path / "vis_data" / "more.json").read_text()) == lines[1]


def test_what_is_queued_keeps_its_place(visualizer, tmp_path):
    def steps():
        file = tmp_path / "vis_data" / "scalars.json"
        return [json.loads(line)["step"] for line in file.read_text().splitlines()] if file.exists() else []

    visualizer.queue_scalars({"a": 1.0}, 1)
    visualizer.queue_scalars({"a": 2.0}, 2, "more.json")
    assert steps() == []
    visualizer.add_scalar("a", 3.0, 3)
    assert steps() == [1, 2, 3]
    assert json.loads((tmp_path / "vis_data" / "more.json").read_text()) == {"a": 2.0, "step": 2}
    visualizer.queue_scalars({"a": 4.0}, 4)
    visualizer.flush()
    assert steps() == [1, 2, 3, 4]
    visualizer.queue_scalars({"a": 5.0}, 5)
    visualizer.close()
    assert steps() == [1, 2, 3, 4, 5]


def test_what_is_queued_is_kept_when_a_run_fails(visualizer, tmp_path):
    def run():
        with visualizer.current():
            assert Visualizer.get_current_instance() is visualizer
            visualizer.queue_scalars({"a": 1.0}, 1)
            raise RuntimeError("halt")

    with pytest.raises(RuntimeError, match="halt"):
        run()
    assert json.loads((tmp_path / "vis_data" / "scalars.json").read_text()) == {"a": 1.0, "step": 1}


@pytest.mark.parametrize("file_path", ["scalars.json", "x.txt"])
def test_a_further_file_is_another_json_file(visualizer, file_path):
    with pytest.raises(ValueError, match="file_path must"):
        visualizer.add_scalars({"a": 1}, file_path=file_path)


def test_a_scalar_is_a_number(visualizer):
    with pytest.raises(TypeError, match="scalar 'a' must be a number, got str"):
        visualizer.add_scalar("a", "1")


def test_the_config_is_yaml_that_loads_back_equal(visualizer, tmp_path):
    config = Config({"model": {"type": "X", "depth": 3}})
    visualizer.add_config(config)
    assert Config.fromfile(tmp_path / "vis_data" / "config.yaml").to_dict() == config.to_dict()


def test_backends_are_found_by_their_type(visualizer, tmp_path):
    backend = visualizer.get_backend("LocalVisBackend")
    assert backend.experiment is backend
    assert backend.save_dir == str(tmp_path / "vis_data")
    with pytest.raises(KeyError, match="no backend 'WandbVisBackend'"):
        visualizer.get_backend("WandbVisBackend")
    with pytest.raises(ValueError, match="LocalVisBackend twice"):
        Visualizer(vis_backends=[LocalVisBackend(), LocalVisBackend()])


def test_backends_are_built_from_mappings(tmp_path):
    visualizer = Visualizer(vis_backends={"type": "LocalVisBackend", "save_dir": str(tmp_path / "own")})
    visualizer.add_scalar("a", 1.0)
    assert (tmp_path / "own" / "scalars.json").exists()


def test_without_backends_nothing_is_kept(tmp_path):
    visualizer = Visualizer(save_dir=str(tmp_path))
    visualizer.add_scalar("a", 1.0)
    visualizer.add_image("b", np.zeros((1, 1), np.uint8))
    visualizer.add_graph(torch.nn.Linear(1, 1), None)
    visualizer.close()
    assert not list(tmp_path.iterdir())


def test_a_backend_needs_a_folder():
    with pytest.raises(ValueError, match="no folder to write to"):
        Visualizer(vis_backends=LocalVisBackend()).add_scalar("a", 1.0)
    with pytest.raises(ValueError, match=r"must end with \.yaml"):
        LocalVisBackend(config_save_file="config.py")
    with pytest.raises(ValueError, match=r"must end with \.json"):
        LocalVisBackend(scalar_save_file="x")


def test_a_backend_of_ones_own_overrides_what_it_keeps():
    class Kept(BaseVisBackend):
        def __init__(self):
            super().__init__()
            self.scalars = []

        def add_scalar(self, name, value, step=0):
            self.scalars.append((name, value, step))

    backend = Kept()
    visualizer = Visualizer(vis_backends=[backend])
    visualizer.add_scalar("a", 1.0, 2)
    visualizer.add_image("x", np.zeros((1, 1), np.uint8))
    visualizer.close()
    assert backend.scalars == [("a", 1.0, 2)]
    with pytest.raises(NotImplementedError, match="Kept has no `experiment`"):
        _ = backend.experiment


@pytest.mark.world_size(2)
def test_only_the_main_process_writes(tmp_path):
    from runner.dist import barrier, get_rank

    Visualizer(vis_backends=[LocalVisBackend()], save_dir=str(tmp_path / str(get_rank()))).add_scalar("a", 1.0)
    barrier()
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_a_backend_written_for_mmengine_works_as_it_is(tmp_path):
    from runner.registry import VISBACKENDS, VISUALIZERS
    from runner.visualization.vis_backend import force_init_env

    @VISBACKENDS.register_module(force=True)
    class PortedBackend(BaseVisBackend):
        def __init__(self, save_dir: str, file_name: str = "lines.txt"):
            super().__init__(save_dir)
            self._file_name = file_name
            self.begun = 0

        def _init_env(self):
            self.begun += 1
            Path(self._save_dir).mkdir(parents=True)

        @property
        @force_init_env
        def experiment(self):
            return Path(self._save_dir, self._file_name)

        @force_init_env
        def add_scalar(self, name, value, step=0, **kwargs):
            with self.experiment.open("a") as file:
                file.write(f"{name} {value} {step}\n")

    visualizer = VISUALIZERS.build(
        {"type": "Visualizer", "vis_backends": [{"type": "PortedBackend"}], "save_dir": str(tmp_path)}
    )
    visualizer.add_scalar("a", 1.0, 2)
    visualizer.add_scalar("a", 2.0, 3)
    assert (tmp_path / "vis_data" / "lines.txt").read_text() == "a 1.0 2\na 2.0 3\n"
    assert visualizer.get_backend("PortedBackend").begun == 1
