"""An object store with annotations to measure against: `Bucket` starts it, `server` is it."""

from benchmarks.bucket.bucket import Bucket

__all__ = ["Bucket"]
