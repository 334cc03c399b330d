"""Clinical and legal rules as data, each with its citation. Read once, at import."""
