"""A count of stock: its file read, compared with the record, and sent in parts. Knows no HTTP."""
