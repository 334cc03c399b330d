"""One module per use case: ports, matching and models, composed into a transaction."""
