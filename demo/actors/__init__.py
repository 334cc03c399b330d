"""The people and machines around the system, each of which uses its public interface only."""
