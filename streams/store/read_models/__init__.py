"""What people and programs read: plain rows at one moment, never the ground of a decision."""
