"""What the backend talks to, in one light process: an object store and endpoints that answer after a set time."""

from benchmarks.world.world import Counts, World

__all__ = ["Counts", "World"]
