"""The texts that people read: Chinese first, English beside it, one entry per code."""
