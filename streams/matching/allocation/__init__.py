"""Match requests with the free units: what is proposed for each line, and why not more."""
