"""The people and machines around the system, each through its public interface only."""
