"""The HTTP interface: the app, its routes, keys, bodies, and problem documents."""
