"""The types of the rule files: one module per file, with the functions that read it."""
