"""Labels of blood bags: what a barcode says, what a bag is made of, what must agree.

Pure: text in, typed values out; reads no file and no clock. Facts of ISBT 128 are the published
structure of its data structures (ICCBBA ST-001, version 6.2.2); none of its licensed tables is
here. Which product code means which component is a station's own file (`gateway.labels.book`).
"""
