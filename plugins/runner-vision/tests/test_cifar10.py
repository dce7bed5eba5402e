from __future__ import annotations

import io
import os
import pickle
import pickletools
import tarfile

import numpy as np
import PIL.Image
import pytest

from runner_vision import transforms
from runner_vision.datasets import CIFAR10
from runner_vision.errors import DatasetError


def expected(cifar_batches, *, train):
    names = [name for name in cifar_batches if name.startswith("data_") == train]
    pixels = np.concatenate([cifar_batches[name][0] for name in names])
    labels = [label for name in names for label in cifar_batches[name][1]]
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


class TestReading:
    @pytest.mark.parametrize("train", [True, False])
    @pytest.mark.parametrize("form", ["python", "binary", "python archive", "binary archive"])
    def test_gives_the_images_and_labels_of_the_published_files(
        self, tmp_path, cifar_batches, write_python, write_binary, pack, form, train
    ):
        folder = (write_python if "python" in form else write_binary)(tmp_path)
        if "archive" in form:
            pack(folder, "cifar-10-python.tar.gz" if "python" in form else "cifar-10-binary.tar.gz")
        dataset = CIFAR10(tmp_path, train=train)
        pixels, labels = expected(cifar_batches, train=train)
        assert len(dataset) == len(labels)
        assert dataset.targets == labels
        for index in (0, len(labels) - 1):
            image, label = dataset[index]
            assert isinstance(image, PIL.Image.Image)
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), pixels[index])
            assert label == labels[index]
            assert type(label) is int

    @pytest.mark.parametrize("protocol", range(6))
    def test_reads_every_pickle_protocol(self, tmp_path, cifar_batches, write_python, protocol):
        write_python(tmp_path, protocol)
        assert np.array_equal(CIFAR10(tmp_path).data, expected(cifar_batches, train=True)[0])

    def test_reads_what_python_2_wrote(self, tmp_path, write_python):
        # Text of Python 2 is a byte string, and NumPy's modules had other names then.
        folder = write_python(tmp_path)
        pixels = bytes(range(256)) * 12
        python_2 = (
            b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
            b"U\x01b\x87Rq\x05(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNN"
            b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(pixels).to_bytes(4, "little") + pixels + b"tb"
            b"U\x06labelsq\x08]q\x09K\x03au."
        )
        (folder / "test_batch").write_bytes(python_2)
        dataset = CIFAR10(tmp_path, train=False)
        assert dataset.targets == [3]
        assert dataset.data[0, 0, :3, 0].tolist() == [0, 1, 2]

    def test_unpacks_an_archive_once(self, tmp_path, write_python, pack):
        archive = pack(write_python(tmp_path), "cifar-10-python.tar.gz")
        CIFAR10(tmp_path)
        archive.unlink()
        CIFAR10(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["cifar-10-batches-py"]

    def test_has_torchvisions_attributes(self, tmp_path, write_binary):
        write_binary(tmp_path)
        dataset = CIFAR10(str(tmp_path), True, None, lambda label: label + 100, True)
        assert dataset.classes[3] == "cat"
        assert dataset.class_to_idx["truck"] == 9
        assert dataset.metainfo["classes"][0] == "airplane"
        assert dataset.data.shape == (30, 32, 32, 3)
        assert dataset[0][1] == dataset.targets[0] + 100

    def test_applies_transforms_of_python_and_of_yaml_alike(self, tmp_path, write_binary):
        write_binary(tmp_path)
        steps = [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
        composed = CIFAR10(tmp_path, transform=transforms.Compose(steps))[4][0]
        listed = CIFAR10(tmp_path, transform=steps)[4][0]
        assert composed.shape == (3, 32, 32)
        assert composed.equal(listed)


class TestMissing:
    def test_names_the_folder_and_the_files(self, tmp_path):
        with pytest.raises(DatasetError) as raised:
            CIFAR10(tmp_path / "data", download=True)
        message = str(raised.value)
        for name in ("data", "cifar-10-batches-py", "data_batch_5", "test_batch.bin", "cifar-10-binary.tar.gz"):
            assert name in message

    def test_names_a_file_that_is_missing(self, tmp_path, write_python):
        (write_python(tmp_path) / "data_batch_3").unlink()
        with pytest.raises(DatasetError, match="data_batch_3 missing"):
            CIFAR10(tmp_path)

    @pytest.mark.parametrize("length", [0, 1, 3073 * 2 - 1])
    def test_refuses_half_a_record(self, tmp_path, write_binary, length):
        (write_binary(tmp_path) / "test_batch.bin").write_bytes(bytes(length))
        with pytest.raises(DatasetError, match="whole number of records"):
            CIFAR10(tmp_path, train=False)

    def test_refuses_a_label_out_of_range(self, tmp_path, write_binary):
        (write_binary(tmp_path) / "test_batch.bin").write_bytes(bytes([10]) + bytes(3072))
        with pytest.raises(DatasetError, match="a label is 10"):
            CIFAR10(tmp_path, train=False)

    @pytest.mark.parametrize(
        "batch",
        [
            [1, 2],
            {"labels": [1]},
            {"data": np.zeros((1, 3072), np.float32), "labels": [1]},
            {"data": np.zeros((1, 9), np.uint8), "labels": [1]},
            {"data": np.zeros((2, 3072), np.uint8), "labels": [1]},
            {"data": np.zeros((1, 3072), np.uint8), "labels": ["cat"]},
        ],
    )
    def test_refuses_what_is_no_batch(self, tmp_path, write_python, batch):
        (write_python(tmp_path) / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
        with pytest.raises(DatasetError, match="test_batch"):
            CIFAR10(tmp_path, train=False)

    @pytest.mark.parametrize("cut", [0, 1, 100, 5000])
    def test_names_a_damaged_pickle(self, tmp_path, write_python, cut):
        file = write_python(tmp_path) / "test_batch"
        file.write_bytes(file.read_bytes()[:cut])
        with pytest.raises(DatasetError, match="is no whole pickle"):
            CIFAR10(tmp_path, train=False)

    def test_names_a_damaged_archive(self, tmp_path, write_binary, pack):
        archive = pack(write_binary(tmp_path), "cifar-10-binary.tar.gz")
        archive.write_bytes(archive.read_bytes()[:2000])
        with pytest.raises(DatasetError, match=r"cifar-10-binary\.tar\.gz"):
            CIFAR10(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


class Harm:
    """Its pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def by_name(module: str, name: str, argument: bytes) -> bytes:
    """A pickle that calls `module.name(argument)`."""
    return (
        b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\nU" + bytes([len(argument)]) + argument + b"\x85R."
    )


class TestMaliciousPickles:
    @pytest.mark.parametrize("protocol", range(6))
    def test_no_command_is_run(self, tmp_path, write_python, protocol):
        folder = write_python(tmp_path)
        canary = tmp_path / "canary"
        harm = {"data": Harm(os.system, f"touch {canary}"), "labels": []}
        (folder / "data_batch_1").write_bytes(pickle.dumps(harm, protocol=protocol))
        with pytest.raises(DatasetError, match=r"data_batch_1 asks for (posix|nt)\.system"):
            CIFAR10(tmp_path)
        assert not canary.exists()

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("builtins", "__import__"),
            ("__builtin__", "eval"),
            ("os", "system"),
            ("subprocess", "Popen"),
            ("numpy", "fromfile"),
            ("numpy", "memmap"),
            ("numpy", "load"),
            ("codecs", "encode"),
            ("_codecs", "decode"),
            ("copyreg", "_reconstructor"),
            ("torch", "load"),
            ("runner.fileio.plain_pickle", "pickle"),
        ],
    )
    def test_a_name_that_arrays_do_not_need_is_refused(self, tmp_path, write_python, module, name):
        (write_python(tmp_path) / "data_batch_1").write_bytes(by_name(module, name, b"1"))
        with pytest.raises(DatasetError, match=r"asks for|not loaded"):
            CIFAR10(tmp_path)

    @pytest.mark.parametrize("path", ["ndarray.tofile", "dtype.__class__", "_reconstruct.__globals__"])
    def test_a_path_through_an_allowed_name_is_refused(self, tmp_path, write_python, path):
        dotted = b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(path)]) + path.encode() + b"\x93."
        pickletools.dis(dotted, out=io.StringIO())
        (write_python(tmp_path) / "data_batch_1").write_bytes(dotted)
        with pytest.raises(DatasetError, match=r"asks for|not loaded"):
            CIFAR10(tmp_path)

    def test_an_array_of_objects_is_refused(self, tmp_path, write_python):
        batch = {"data": np.array([1, "a"], dtype=object), "labels": [1]}
        (write_python(tmp_path) / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
        with pytest.raises(DatasetError, match="not an array of bytes"):
            CIFAR10(tmp_path)

    def test_another_codec_is_refused(self, tmp_path, write_python):
        encode = b"\x80\x02c_codecs\nencode\nU\x01aU\x05rot13\x86R."
        (write_python(tmp_path) / "data_batch_1").write_bytes(encode)
        with pytest.raises(DatasetError, match="encoding 'rot13'"):
            CIFAR10(tmp_path)

    def test_a_persistent_id_is_refused(self, tmp_path, write_python):
        (write_python(tmp_path) / "data_batch_1").write_bytes(b"\x80\x02U\x01aQ.")
        with pytest.raises(DatasetError, match="foreign object"):
            CIFAR10(tmp_path)

    def test_a_pickle_cannot_change_the_reader_for_the_next_one(self, tmp_path, write_python):
        # BUILD with a slot state sets attributes of whatever is on the stack.
        folder = write_python(tmp_path)
        tamper = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(N}U\x0c__defaults__K\x01\x85stb."
        (folder / "test_batch").write_bytes(tamper)
        with pytest.raises(DatasetError):
            CIFAR10(tmp_path, train=False)
        assert len(CIFAR10(tmp_path, train=True)) == 30


class TestMaliciousArchives:
    def test_a_member_outside_the_folder_is_not_written(self, tmp_path, write_binary, pack):
        root = tmp_path / "root"
        archive = pack(write_binary(root), "cifar-10-binary.tar.gz")
        with tarfile.open(archive, "r:gz") as tar:
            members = [(member, tar.extractfile(member)) for member in tar if member.isfile()]
            contents = [(member.name, stream.read()) for member, stream in members]
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in [*contents, ("../escaped", b"x"), ("cifar-10-batches-bin/../../escaped", b"x")]:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        CIFAR10(root)
        assert {entry.name for entry in tmp_path.rglob("*") if "escaped" in entry.name} == set()
        assert not (root / "cifar-10-batches-bin" / "batches.meta.txt").exists()

    def test_a_link_is_not_followed(self, tmp_path):
        archive = tmp_path / "cifar-10-python.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for number in range(1, 6):
                link = tarfile.TarInfo(f"cifar-10-batches-py/data_batch_{number}")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(link)
        with pytest.raises(DatasetError):
            CIFAR10(tmp_path)
