"""Samples out of tar shards, with a position that can be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from torch.utils.data import IterableDataset, get_worker_info

from runner.dataset import Reader
from runner.kinds import Interval, Slot
from runner_streaming.decoding import Decoder, Images
from runner_streaming.shards import find
from runner_streaming.stream import Order, Stream, StreamState

__all__ = ["TarShards"]


class TarShards(IterableDataset[Any]):
    """Samples from tar files in WebDataset's format, read one after the other: files of one name are a sample.

    Ranks and workers have a share each. A resumed run goes on at the byte where it was, with the same samples in the
    buffer; it reads those anew, and nothing else that was read before.

    Args:
        shards: Paths or URLs that fsspec reads (`s3://…`, `gs://…`, `memory://…`), with braces (`{000..099}`) or
            wildcards; or an index (`.json`), which tells how many samples each shard holds. By epochs on more than one
            rank it takes an index.
        fields: Extensions, for a tuple with the content of each; alternatives are parted by semicolons
            (`[jpg;png, cls]`). Without, a sample is a mapping of all its files and its `__key__`.
        images: What an image becomes, in webdataset's words: `pil` and `pill` (grey) PIL images, `rgb8` and `l8` arrays
            of bytes, `rgb` and `l` arrays from 0 to 1, with `torch` before it a tensor of shape (C, H, W), and (H, W) if
            grey. None leaves images as bytes.
        transform: Done to the first field, or to the mapping, when it is handed out.
        shuffle: Shards come in another order in each epoch, and samples wait in a buffer from which one is drawn.
        buffer: Samples that wait there, in each worker, as bytes.
        endless: Pass follows pass, for training by iterations; there is no epoch then.
        round_up: With an index, ranks that would have a sample less take another's again, so that all make as many
            batches: for training. False is for evaluation, where each sample counts once.
        seed: Keys the order, with the epoch; None stands for the run's seed.
    """

    def __init__(
        self,
        shards: str | Sequence[str],
        fields: Sequence[str] | None = None,
        images: Images | None = "pil",
        transform: Annotated[Callable[[Any], Any] | Sequence[Any] | None, Slot("transform")] = None,
        shuffle: bool = False,
        buffer: Annotated[int, Interval(ge=1)] = 1000,
        endless: bool = False,
        round_up: bool = True,
        seed: int | None = None,
    ) -> None:
        self.shards = find(shards)
        self.endless = endless
        self.seed = seed
        self._order = Order(shuffle=shuffle, buffer=buffer, endless=endless, round_up=round_up)
        self._decode = Decoder(fields, images)
        self._is_tuple = fields is not None
        self._transforms = [] if transform is None else [transform] if callable(transform) else list(transform)
        self._reader: Reader | None = None
        self._resumed: StreamState | None = None
        self._stream: Stream | None = None

    def __len__(self) -> int:
        """Samples of an epoch on all ranks together, without what a rank takes again.

        Raises:
            TypeError: There is no end, or it is not known.
        """
        if self.endless:
            raise TypeError("TarShards with `endless: true` has no length; train by iterations")
        counts = [shard.samples for shard in self.shards]
        if None in counts:
            raise TypeError(
                "TarShards has no length, since how many samples the shards hold is not known; give an index "
                "(python -m runner_streaming writes one) as `shards`, or train by iterations"
            )
        return sum(samples for samples in counts if samples is not None)

    def begin_pass(self, reader: Reader) -> None:
        """Take the share of a reader; the loader calls this before each pass."""
        self._reader = reader if self.seed is None else reader._replace(seed=self.seed)
        self._resumed = None

    def state_dict(self) -> StreamState | None:
        """Where the pass that handed out a sample last stands; None before the first sample."""
        return None if self._stream is None else self._stream.state_dict()

    def load_state_dict(self, state: StreamState) -> None:
        """Let the next pass go on there."""
        self._resumed = state

    def __iter__(self) -> Iterator[Any]:
        stream = Stream(self.shards, self._reader or _alone(self.seed), self._order, self._resumed)
        self._resumed = None
        for record in stream:
            sample = self._transformed(self._decode(record))
            self._stream = stream  # there may be two passes at once, as when a hook looks at a batch
            yield sample

    def _transformed(self, sample: Any) -> Any:
        value = sample[0] if self._is_tuple else sample
        for transform in self._transforms:
            value = transform(value)
        return (value, *sample[1:]) if self._is_tuple else value


def _alone(seed: int | None) -> Reader:
    """The reader where no loader of ours asks, as in a script: a worker of torch's loader, or all there is."""
    info = get_worker_info()
    worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
    return Reader(seed or 0, 0, 0, 1, worker, workers, 1)
