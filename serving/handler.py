"""The archive's own functions, `code/inference.py`, called as sagemaker-inference's Transformer calls them.

Contract: AWS, "SageMaker Inference Toolkit", and its `transformer.py` (1.10). By hand, since that brings scipy, which
takes 8 MiB, and works out the functions' signatures anew for each request.
"""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sagemaker_inference.content_types import ANY, UTF8_TYPES
from sagemaker_inference.environment import Environment

Function = Callable[..., Any]
STEPS = "input_fn", "predict_fn", "output_fn"


class Handler:
    """`model_fn`'s model, and `transform_fn` or else the three steps one after the other."""

    def __init__(self, model_dir: str) -> None:
        """Loads the model. Raises what the archive's code raises, ValueError if it has transform_fn and steps."""
        settings = Environment()
        code = importlib.import_module(settings.module_name)
        self._accept = settings.default_accept
        self._transform = _transform(code)
        if hasattr(code, "pre_model_fn"):
            _function(code, "pre_model_fn", 1)(model_dir)
        self._model = _function(code, "model_fn", 1)(model_dir)
        if hasattr(code, "model_warmup_fn"):
            _function(code, "model_warmup_fn", 2)(model_dir, self._model)

    def transform(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Reply and its content type. Raises what the archive's code raises."""
        if not accept or accept == ANY:
            accept = self._accept
        asked = body.decode() if content_type in UTF8_TYPES else body
        told = self._transform(self._model, asked, content_type, accept)
        reply, kind = told if isinstance(told, tuple) else (told, accept)
        return reply.encode() if isinstance(reply, str) else reply, kind


def _transform(code: ModuleType) -> Function:
    """Of model, body, content type and accepted type."""
    if not hasattr(code, "transform_fn"):
        read, predict, write = (_function(code, name, 2) for name in STEPS)
        return lambda model, body, content_type, accept: write(predict(read(body, content_type), model), accept)
    if any(hasattr(code, name) for name in STEPS):
        raise ValueError(f"The archive's code has transform_fn besides {' or '.join(STEPS)}: keep one kind.")
    return _function(code, "transform_fn", 4)


def _function(code: ModuleType, name: str, arguments: int) -> Function:
    """The archive's, else the toolkit's own. One that takes a context gets None, as there is no server of theirs."""
    function = getattr(code, name, None) or _toolkits(name)
    takes_context = len(inspect.signature(function).parameters) == arguments + 1
    return (lambda *given: function(*given, None)) if takes_context else function


def _toolkits(name: str) -> Function:
    from sagemaker_inference.default_inference_handler import DefaultInferenceHandler  # with scipy

    own: Function = getattr(DefaultInferenceHandler(), f"default_{name}")
    return own
