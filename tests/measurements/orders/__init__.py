"""London 2005 and Brussels 2016: orders far above use, and what parts and netting keep."""
