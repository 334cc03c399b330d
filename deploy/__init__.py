"""Deployment: the embedded services of one machine, and the files that stand beside them."""
