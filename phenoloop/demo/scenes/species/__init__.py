"""The vegetables, each drawn at random: its shape and its skin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from phenoloop.demo.scenes.species.carrot import carrot
from phenoloop.demo.scenes.species.cucumber import cucumber
from phenoloop.demo.scenes.species.parts import Specimen
from phenoloop.demo.scenes.species.pepper import pepper
from phenoloop.demo.scenes.species.potato import potato
from phenoloop.demo.scenes.species.tomato import tomato

SPECIES: Mapping[str, Callable[[np.random.Generator], Specimen]] = MappingProxyType(
    {"carrot": carrot, "tomato": tomato, "pepper": pepper, "cucumber": cucumber, "potato": potato}
)

__all__ = ["SPECIES", "Specimen"]
