"""Triton's interpreter, made fit to judge by: checked addresses, right arithmetic, and a clear no where it has none."""
