"""The schema: its migrations, applied in order by dbmate."""
