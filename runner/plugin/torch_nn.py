"""Names of torch's modules that a config may give, as `nn.NAME`; nothing of torch is imported for it."""

from __future__ import annotations

from typing import Any

__all__ = ["MODULES", "SCHEMAS"]

_LAYERS = """
    Linear Bilinear Identity Flatten Unflatten Embedding EmbeddingBag
    Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Fold Unfold
    MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d AvgPool1d AvgPool2d AvgPool3d LPPool1d LPPool2d
    FractionalMaxPool2d FractionalMaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d
    AdaptiveMaxPool2d AdaptiveMaxPool3d
    ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d
    ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d CircularPad1d CircularPad2d CircularPad3d
    BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm
    LocalResponseNorm RMSNorm
    Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout
    PixelShuffle PixelUnshuffle ChannelShuffle Upsample UpsamplingBilinear2d UpsamplingNearest2d
    RNN LSTM GRU RNNCell LSTMCell GRUCell
    MultiheadAttention Transformer TransformerEncoder TransformerEncoderLayer TransformerDecoder TransformerDecoderLayer
    CosineSimilarity PairwiseDistance
"""
_ACTIVATIONS = """
    CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish PReLU RReLU ReLU ReLU6
    SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold
"""
_LOSSES = """
    BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss HingeEmbeddingLoss HuberLoss
    KLDivLoss L1Loss MSELoss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss
    PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss AdaptiveLogSoftmaxWithLoss
"""

MODULES: dict[str, str] = {
    # A config has keyword arguments alone, and torch's Sequential takes its modules by position.
    "nn.Sequential": "runner.model.containers:sequential",
    **{f"nn.{name}": f"torch.nn:{name}" for name in (_LAYERS + _ACTIVATIONS + _LOSSES).split()},
}
"""What a config calls a module, and where it lies. The prefix keeps the names apart from those of plugins."""

_REDUCTION: dict[str, Any] = {"reduction": {"enum": ["mean", "sum", "none"]}}
_SHARE: dict[str, Any] = {"p": {"minimum": 0, "maximum": 1}}
_COUNT: dict[str, Any] = {"minimum": 0}
_POSITIVE: dict[str, Any] = {"minimum": 1}


def _sizes(rank: int, least: int, *others: dict[str, Any], fewest: int | None = None) -> dict[str, Any]:
    """One integer, or one for each dimension; pooling takes a list of one, too."""
    size = {"type": "integer", "minimum": least}
    sizes = {"type": "array", "items": size, "minItems": rank if fewest is None else fewest, "maxItems": rank}
    return {"anyOf": [size, sizes, *others]}


def _convolution(rank: int, *paddings: dict[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": _COUNT,
        "out_channels": _POSITIVE,
        "kernel_size": _sizes(rank, 1),
        "stride": _sizes(rank, 1),
        "padding": _sizes(rank, 0, *paddings),
        "dilation": _sizes(rank, 1),
        "groups": _POSITIVE,
    }


def _pool(rank: int) -> dict[str, Any]:
    return {
        "kernel_size": _sizes(rank, 1, fewest=1),
        "stride": _sizes(rank, 1, {"type": "null"}, fewest=1),
        "padding": _sizes(rank, 0, fewest=1),
    }


_SAME: dict[str, Any] = {"enum": ["valid", "same"]}
_STACK: dict[str, Any] = {"hidden_size": _POSITIVE, "num_layers": _POSITIVE, "dropout": {"minimum": 0, "maximum": 1}}

_BOUNDS: dict[str, dict[str, Any]] = {
    "Linear": {"in_features": _COUNT, "out_features": _COUNT},
    "Embedding": {"num_embeddings": _COUNT, "embedding_dim": _COUNT},
    **{f"Conv{rank}d": _convolution(rank, _SAME) for rank in (1, 2, 3)},
    **{f"ConvTranspose{rank}d": {**_convolution(rank), "in_channels": _POSITIVE} for rank in (1, 2, 3)},
    **{f"MaxPool{rank}d": {**_pool(rank), "dilation": _sizes(rank, 1, fewest=1)} for rank in (1, 2, 3)},
    **{f"AvgPool{rank}d": _pool(rank) for rank in (1, 2, 3)},
    **{f"BatchNorm{rank}d": {"num_features": _POSITIVE} for rank in (1, 2, 3)},
    "SyncBatchNorm": {"num_features": _POSITIVE},
    "GroupNorm": {"num_groups": _POSITIVE, "num_channels": _COUNT},
    **dict.fromkeys(("RNN", "LSTM", "GRU"), _STACK),
    **{name: {"hidden_size": _COUNT} for name in ("RNNCell", "LSTMCell", "GRUCell")},
    "MultiheadAttention": {"embed_dim": _POSITIVE, "num_heads": _POSITIVE, "dropout": {"minimum": 0, "maximum": 1}},
    "PixelShuffle": {"upscale_factor": _POSITIVE},
    "ChannelShuffle": {"groups": _POSITIVE},
    "LocalResponseNorm": {"size": _POSITIVE},
    **{name: _SHARE for name in _LAYERS.split() if "Dropout" in name},
    **{name: _REDUCTION for name in _LOSSES.split() if name not in {"AdaptiveLogSoftmaxWithLoss", "KLDivLoss"}},
    "KLDivLoss": {"reduction": {"enum": ["mean", "batchmean", "sum", "none"]}},
    "CrossEntropyLoss": {**_REDUCTION, "label_smoothing": {"minimum": 0, "maximum": 1}},
    "SmoothL1Loss": {**_REDUCTION, "beta": {"minimum": 0}},
    "HuberLoss": {**_REDUCTION, "delta": {"exclusiveMinimum": 0}},
}

SCHEMAS: dict[str, dict[str, Any]] = {f"nn.{name}": {"properties": each} for name, each in _BOUNDS.items()}
"""What the constructors or the first forward refuse although the annotations allow it."""
