"""Share shelves: in this process, or in one of its own that never holds this one up."""
