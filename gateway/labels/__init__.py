"""Labels of blood bags: reading barcodes, putting scans together to bags, checking the record.

Pure: it turns text into typed values and reads no file and no clock. Of ISBT 128 it has only the
published form of the data structures (ICCBBA ST-001, version 6.2.2) and none of the licensed
tables. A station's file (`gateway.labels.label_file`) says which component a product code means.
"""
