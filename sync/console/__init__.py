"""The loop's face for whoever runs it: what is live, what is learnt, what waits for a decision; and a box to try."""
