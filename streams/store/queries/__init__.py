"""Named queries, one file per subject, loaded with aiosql."""
