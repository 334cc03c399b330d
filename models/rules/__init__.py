"""The rules of decisions: cited data, its types, the rulebook, and a station's own values."""
