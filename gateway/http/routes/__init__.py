"""One module per part of the interface; each has a `router`."""
