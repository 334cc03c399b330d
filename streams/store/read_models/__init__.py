"""Read models for people and programs: plain rows at one moment, never the ground of a decision."""
