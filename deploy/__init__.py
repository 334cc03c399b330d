"""How it is put on machines: the embedded services of one machine, and the files beside them."""
