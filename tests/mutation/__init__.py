"""The mutation check: rule values and decisions of the safety kernel, changed one at a time.

The fast tests must notice each change. Nothing here imports `models`: each mutant is loaded by a
process of its own.
"""
