"""The kill campaign: a stack is hit at random moments while people work on it; nothing may be lost or done twice."""
