"""Model servers beside each other, the same archive and handler behind each."""
