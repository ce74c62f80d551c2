"""Generated photos of vegetables, seen from above, with exact truth."""

from phenoloop.demo.scenes.files import read_scene, save_scene
from phenoloop.demo.scenes.scene import Scene, render_mixture, render_scene
from phenoloop.demo.scenes.species import SPECIES
from phenoloop.demo.scenes.truth import SceneInstance

__all__ = ["SPECIES", "Scene", "SceneInstance", "read_scene", "render_mixture", "render_scene", "save_scene"]
