"""The serving container: SageMaker's HTTP contract over a model archive that carries its own code."""
