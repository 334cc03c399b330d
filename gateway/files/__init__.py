"""Files of stations: reads CSV and spreadsheets into values, and writes units as a file."""
