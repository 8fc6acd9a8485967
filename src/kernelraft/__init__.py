"""Train language models to write code that is proved by execution."""

__version__ = "0.1.0"
