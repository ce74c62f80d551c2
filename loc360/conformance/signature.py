"""The two functions, as the platform calls them."""

import inspect
from types import ModuleType

from loc360.conformance.calls import PREPROCESS, PROCESS
from loc360.conformance.report import Breach, Breaches, Rule

_ARGUMENTS = ["img_path", "metadata"]


def signature_breaches(module: ModuleType) -> Breaches:
    for name in (PREPROCESS, PROCESS):
        expected, did = f"{name}({', '.join(_ARGUMENTS)})", f"looks for {name} in {module.__name__}"
        function = getattr(module, name, None)
        if not callable(function):
            yield Breach(Rule.SIGNATURE, did, expected, "no function of that name")
            continue
        parameters = list(inspect.signature(function).parameters.values())
        first, others = parameters[:2], parameters[2:]
        fits = [parameter.name for parameter in first] == _ARGUMENTS and all(
            parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in first
        )
        if not fits or any(parameter.default is parameter.empty for parameter in others if not _takes_any(parameter)):
            yield Breach(Rule.SIGNATURE, did, expected, f"{name}{inspect.signature(function)}")


def _takes_any(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
