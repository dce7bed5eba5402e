"""A model of transformers, from a published checkpoint or from its configuration's values."""

from __future__ import annotations

import difflib
from typing import Any, Literal

from torch import nn

from runner.errors import BuildError

__all__ = ["transformers_model"]


def transformers_model(
    auto_class: Literal[
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForImageClassification",
        "AutoModelForMaskedLM",
        "AutoModelForMultipleChoice",
        "AutoModelForObjectDetection",
        "AutoModelForQuestionAnswering",
        "AutoModelForSemanticSegmentation",
        "AutoModelForSeq2SeqLM",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
    ] = "AutoModel",
    model_type: str | None = None,
    pretrained: str | None = None,
    **config: Any,
) -> nn.Module:
    """A model of transformers, for `ModuleAdapter` with `loss: null`: given the labels, it computes its loss itself.

    Args:
        auto_class: What the model is for.
        model_type: The architecture, such as `bert`, with fresh weights.
        pretrained: A model's name on the hub, or the folder of one, in place of `model_type`: with its weights.
        **config: Values of the model's configuration: `hidden_size`, `num_labels`, ….

    Raises:
        BuildError: transformers is not installed, neither or both of `model_type` and `pretrained` are given, or the
            configuration has no such value.
    """
    try:
        import transformers  # type: ignore[import-not-found,unused-ignore]  # not installed here
    except ImportError as error:
        raise BuildError(f"transformers can't be imported ({error}); pip install transformers") from error
    if (model_type is None) == (pretrained is None):
        raise BuildError("give one of model_type, for fresh weights, and pretrained, for those of a published model")
    classes: dict[str, Any] = {
        "AutoModel": transformers.AutoModel,
        "AutoModelForCausalLM": transformers.AutoModelForCausalLM,
        "AutoModelForImageClassification": transformers.AutoModelForImageClassification,
        "AutoModelForMaskedLM": transformers.AutoModelForMaskedLM,
        "AutoModelForMultipleChoice": transformers.AutoModelForMultipleChoice,
        "AutoModelForObjectDetection": transformers.AutoModelForObjectDetection,
        "AutoModelForQuestionAnswering": transformers.AutoModelForQuestionAnswering,
        "AutoModelForSemanticSegmentation": transformers.AutoModelForSemanticSegmentation,
        "AutoModelForSeq2SeqLM": transformers.AutoModelForSeq2SeqLM,
        "AutoModelForSequenceClassification": transformers.AutoModelForSequenceClassification,
        "AutoModelForTokenClassification": transformers.AutoModelForTokenClassification,
    }
    if pretrained is not None:
        settings = transformers.AutoConfig.from_pretrained(pretrained)
        _check(settings, config)
        loaded: nn.Module = classes[auto_class].from_pretrained(pretrained, **config)
        return loaded
    settings = transformers.AutoConfig.for_model(model_type)
    _check(settings, config)
    made: nn.Module = classes[auto_class].from_config(transformers.AutoConfig.for_model(model_type, **config))
    return made


def _check(settings: Any, given: dict[str, Any]) -> None:
    """Refuse values that transformers would keep and never read."""
    known = {*settings.to_dict(), *settings.attribute_map, "num_labels"}
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(sorted(known))}"
            raise BuildError(f"{type(settings).__name__} has no '{key}'; {hint}")
