"""Models of other packages that know nothing of this one: offered where the package is installed, as `package.name`.

Nothing is imported to find out. What they take is read from their source like everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

__all__ = ["THIRD_PARTY", "installed"]

_CLASSIFIERS = """
    alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
    efficientnet_b7 efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5
    mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf
    regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf
    regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50
    resnext101_32x8d resnext101_64x4d resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
    shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_b swin_s swin_t swin_v2_b swin_v2_s swin_v2_t vgg11 vgg11_bn vgg13
    vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_h_14 vit_l_16 vit_l_32 wide_resnet101_2 wide_resnet50_2
"""
_DETECTORS = """
    fasterrcnn_mobilenet_v3_large_320_fpn fasterrcnn_mobilenet_v3_large_fpn fasterrcnn_resnet50_fpn
    fasterrcnn_resnet50_fpn_v2 fcos_resnet50_fpn maskrcnn_resnet50_fpn maskrcnn_resnet50_fpn_v2 retinanet_resnet50_fpn
    retinanet_resnet50_fpn_v2 ssd300_vgg16 ssdlite320_mobilenet_v3_large
"""
_SEGMENTERS = """
    deeplabv3_mobilenet_v3_large deeplabv3_resnet101 deeplabv3_resnet50 fcn_resnet101 fcn_resnet50
    lraspp_mobilenet_v3_large
"""
_VIDEO = "mc3_18 mvit_v1_b mvit_v2_s r2plus1d_18 r3d_18 s3d swin3d_b swin3d_s swin3d_t"


def _torchvision(module: str, names: str) -> dict[str, str]:
    return {f"torchvision.{name}": f"torchvision.models{module}:{name}" for name in names.split()}


THIRD_PARTY: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "timm": {"timm.create_model": "timm:create_model"},
        "torchvision": {
            **_torchvision("", _CLASSIFIERS),
            **_torchvision(".detection", _DETECTORS),
            **_torchvision(".segmentation", _SEGMENTERS),
            **_torchvision(".video", _VIDEO),
        },
        "transformers": {"transformers.model": "runner.model.transformers_model:transformers_model"},
    }
)
"""Targets by the name that a config gives, by the distribution that brings them."""


def installed() -> Iterator[tuple[str, str]]:
    """The names and targets of what is installed."""
    for distribution, targets in THIRD_PARTY.items():
        try:
            version(distribution)
        except PackageNotFoundError:
            continue
        yield from targets.items()
