"""Phenoloop: the annotation loop of vegetable phenotyping."""
