"""Choose units, donors and neighbours. Pure: values in, a decision with its reasons out."""
