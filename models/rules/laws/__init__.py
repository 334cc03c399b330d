"""Laws on donors, one file each: of the country, of its regions, and drafts not in force."""
