"""Runs the two-model flow on SageMaker, driven as the Loc360 platform drives its module."""
