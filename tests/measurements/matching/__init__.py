"""`make bench-matching`: policies of allocation beside the best that hindsight could have done."""
