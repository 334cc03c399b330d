"""A count of stock: its file is read, compared with the record, sent in parts. Knows no HTTP."""
