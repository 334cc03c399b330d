"""Lives of units and requests, driven at random against a plain model: `python -m tests.life`."""
