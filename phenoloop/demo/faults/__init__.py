"""A campaign of faults: the product runs on with a network and an AWS that fail in every way they do."""
