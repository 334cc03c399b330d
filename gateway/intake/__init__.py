"""From what an edge was told to events on the log, and what became of them. Knows no HTTP."""
