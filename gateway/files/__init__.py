"""Files of stations: CSV and spreadsheets, their headings, rows and cells, to values and back. Pure."""
