"""What `make bench` measures, a module a topic, each with `measure(quick=...) -> Iterator[Figure]`."""
