"""The proof that the loop closes: a stack of its own, a simulated annotator, and what came of it in numbers."""
