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

SCHEMAS: dict[str, dict[str, Any]] = {
    **{
        f"nn.{name}": {"properties": _REDUCTION}
        for name in _LOSSES.split()
        if name not in {"AdaptiveLogSoftmaxWithLoss", "KLDivLoss"}
    },
    "nn.KLDivLoss": {"properties": {"reduction": {"enum": ["mean", "batchmean", "sum", "none"]}}},
    **{f"nn.{name}": {"properties": _SHARE} for name in _LAYERS.split() if "Dropout" in name},
}
"""What the constructors refuse although their annotations allow it."""
