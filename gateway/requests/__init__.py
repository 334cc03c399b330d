"""Requests as people read them: what is covered, why, and what was done meanwhile."""
