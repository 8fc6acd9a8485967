"""The other half of trusted replay: runs a trace with kernels lifted from a source, and no host code of a candidate."""
