"""The untrusted half of trusted replay: runs a candidate's host code once and writes down what it does.

No kernel runs here and no tensor of the device has values: those are meta tensors that say they lie on
"cuda". So host code cannot depend on data, and needs neither a GPU nor memory. All that comes out is a
trace (kernelraft.kernel.trace), plain data: a forged one gains nothing, as a trace that
passes on fresh secret inputs is a program of Triton kernels that works.
"""
