"""Trusted replay on a GPU: the judge's and the replayer's half of what a CPU does with an interpreter."""
