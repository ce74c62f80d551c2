"""From a decision to the live release, step by step, and the way back."""
