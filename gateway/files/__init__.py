"""Files of stations: CSV and spreadsheets, their headings, rows and cells, into values and back."""
