"""The module that Loc360 imports: two functions, pure compute, no memory between calls."""

from loc360.module import process, sagemaker_preprocess

__all__ = ["process", "sagemaker_preprocess"]
