"""The request that goes with a PyTorch reference."""

_REQUEST = """Rewrite the PyTorch module below with Triton kernels, so that it gives the same outputs and is faster.

- Compute in functions with @triton.jit; outside of them, only allocate, view, copy and launch.
- Define {entry}, with the same constructor and the same inputs of forward as {module}.
- Think between <think> and </think>, then write the whole program between <triton> and </triton>.

```python
{reference}
```
"""


def to_write(reference: str, module: str = "Model", entry: str = "ModelNew") -> str:
    """What a model is asked."""
    return _REQUEST.format(reference=reference.strip(), module=module, entry=entry)
