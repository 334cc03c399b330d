"""The routes: one module per part of the interface, each with a `router`."""
