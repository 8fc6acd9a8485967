"""References and candidates of the evaluator's tests: text, never imported. Hostile ones are bounded by design."""

HEAD = """import torch
import torch.nn as nn
import triton
import triton.language as tl

"""
KERNEL = (
    HEAD
    + """
@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, tl.maximum(x, 0.0), mask=mask)

"""
)
ALLOCATE = "out = torch.empty_like(x)\n"
LAUNCH = "kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)"


def reference(forward: str, inputs: str = "torch.randn(7, 33)", init: str = "", arguments: str = "[]") -> str:
    made = "".join(f"        {line}\n" for line in init.split("\n"))
    return f"""import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def __init__(self, n=0):
        super().__init__()
{made}
    def forward(self, x, y=None):
        return {forward}

def get_inputs():
    return [{inputs}]

def get_init_inputs():
    return {arguments}
"""


def model(forward: str, init: str = "pass", head: str = KERNEL) -> str:
    """A candidate for one input `x`; `forward` are lines."""
    lines = "".join(f"        {line}\n" for line in forward.split("\n"))
    made = "".join(f"        {line}\n" for line in init.split("\n"))
    return f"""{head}
class ModelNew(nn.Module):
    def __init__(self, n=0):
        super().__init__()
{made}
    def forward(self, x, y=None):
{lines}"""


RELU = reference("torch.relu(x)")
HONEST_RELU = model(f"out = torch.empty_like(x)\n{LAUNCH}\nreturn out")

ROW = (
    HEAD
    + """
@triton.jit
def kernel(x_ptr, w_ptr, b_ptr, out_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < n
    x = tl.load(x_ptr + row * n + cols, mask=mask, other=0.0)
    x = tl.where(mask, x - tl.sum(x, axis=0) / n, 0.0)
    x = x * tl.rsqrt(tl.sum(x * x, axis=0) / n + 1e-5)
    w = tl.load(w_ptr + cols, mask=mask)
    b = tl.load(b_ptr + cols, mask=mask)
    tl.store(out_ptr + row * n + cols, x * w + b, mask=mask)

"""
)
SOFTMAX = (
    HEAD
    + """
@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < n
    x = tl.load(x_ptr + row * n + cols, mask=mask, other=-float("inf"))
    x = tl.exp(x - tl.max(x, axis=0))
    tl.store(out_ptr + row * n + cols, x / tl.sum(x, axis=0), mask=mask)

"""
)
MATMUL = (
    HEAD
    + """
@triton.jit
def kernel(x_ptr, m_ptr, b_ptr, out_ptr, M, N, K, BLOCK: tl.constexpr):
    rm = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    rn = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    acc = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for k in range(0, K, BLOCK):
        rk = k + tl.arange(0, BLOCK)
        a = tl.load(x_ptr + rm[:, None] * K + rk[None, :], mask=(rm[:, None] < M) & (rk[None, :] < K), other=0.0)
        b = tl.load(m_ptr + rk[:, None] * N + rn[None, :], mask=(rk[:, None] < K) & (rn[None, :] < N), other=0.0)
        acc += tl.dot(a, b, input_precision="ieee")
    acc += tl.load(b_ptr + rn, mask=rn < N)[None, :]
    mask = (rm[:, None] < M) & (rn[None, :] < N)
    tl.store(out_ptr + rm[:, None] * N + rn[None, :], tl.maximum(acc, 0.0), mask=mask)

"""
)
AUTOTUNE = KERNEL.replace(
    "@triton.jit",
    "@triton.autotune(configs=[triton.Config({'BLOCK': 64}, num_warps=2), triton.Config({'BLOCK': 128})], key=['n'])"
    "\n@triton.jit",
)
DESCRIPTORS = (
    HEAD
    + """
from triton.tools.tensor_descriptor import TensorDescriptor

@triton.jit
def kernel(x_desc, out_desc, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK_M, tl.program_id(1) * BLOCK_N
    out_desc.store([row, column], tl.maximum(x_desc.load([row, column]), 0.0))

class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        block = [16, 32]
        x_desc = TensorDescriptor(x, list(x.shape), list(x.stride()), block)
        out_desc = TensorDescriptor.from_tensor(out, block)
        grid = (triton.cdiv(x.shape[0], 16), triton.cdiv(x.shape[1], 32))
        kernel[grid](x_desc, out_desc, 16, 32)
        return out
"""
)
KERNELBOOK = RELU.replace("class Model(", "class Clip(").replace("return []", "return [[], {'n': 3}]")
HALF = KERNEL.replace("tl.maximum(x, 0.0)", "tl.maximum(x.to(tl.float32), 0.0)")

# name -> (reference, candidate)
HONEST = {
    "a_list_for_a_tuple": (
        reference("(torch.relu(x), [torch.relu(x)])"),
        model(f"out = torch.empty_like(x)\n{LAUNCH}\nreturn [out, (out.clone(),)]"),
    ),
    "elementwise": (RELU, HONEST_RELU),
    "softmax": (
        reference("torch.softmax(x, dim=-1)"),
        model(ALLOCATE + "kernel[(x.shape[0],)](x, out, x.shape[1], BLOCK=64)\nreturn out", head=SOFTMAX),
    ),
    "layernorm_with_parameters": (
        reference("self.norm(x)", init="self.norm = nn.LayerNorm(n)", arguments="[33]"),
        model(
            "out = torch.empty_like(x)\n"
            "kernel[(x.shape[0],)](x, self.norm.weight, self.norm.bias, out, x.shape[1], BLOCK=64)\nreturn out",
            init="self.norm = nn.LayerNorm(n)",
            head=ROW,
        ),
    ),
    "parameters_under_other_names": (
        reference("torch.relu(x) * self.w", init="self.w = nn.Parameter(torch.randn(()))"),
        model(
            f"out = torch.empty_like(x)\n{LAUNCH}\nreturn out".replace("(x, out", "(x, self.scale, out"),
            init="self.scale = nn.Parameter(torch.randn(()))",
            head=KERNEL.replace("(x_ptr,", "(x_ptr, w_ptr,").replace("0.0), mask", "0.0) * tl.load(w_ptr), mask"),
        ),
    ),
    "matmul_with_epilogue": (
        reference("torch.relu(x @ self.m + self.b)", "torch.randn(12, 20)",
                  "self.m = nn.Parameter(torch.randn(20, 24))\n"
                  "self.b = nn.Parameter(torch.zeros(24))"),
        model(
            "out = torch.empty(x.shape[0], 24, device=x.device)\n"
            "kernel[(1, 2)](x, self.m, self.b, out, x.shape[0], 24, 20, BLOCK=16)\nreturn out",
            init="self.m = nn.Parameter(torch.randn(20, 24))\nself.b = nn.Parameter(torch.zeros(24))",
            head=MATMUL,
        ),
    ),
    "two_kernels_in_one_forward": (
        reference("torch.softmax(torch.relu(x), dim=-1)"),
        model(
            "mid, out = torch.empty_like(x), torch.empty_like(x)\n"
            "kernel[(triton.cdiv(x.numel(), 128),)](x, mid, x.numel(), BLOCK=128)\n"
            "rows[(x.shape[0],)](mid, out, x.shape[1], BLOCK=64)\nreturn out",
            head=KERNEL + SOFTMAX.removeprefix(HEAD).replace("kernel", "rows"),
        ),
    ),
    "several_shapes": (reference("torch.relu(x)", "torch.randn(int(torch.randint(3, 300, (1,))), 33)"), HONEST_RELU),
    "descriptors_of_the_host": (reference("torch.relu(x)", "torch.randn(40, 72)"), DESCRIPTORS),
    "autotune": (RELU, model("out = torch.empty_like(x)\nkernel[lambda meta: (triton.cdiv(x.numel(), meta['BLOCK']),)]"
                             "(x, out, x.numel())\nreturn out", head=AUTOTUNE)),
    "tuple_output": (
        reference("(torch.relu(x), torch.relu(-x))"),
        model("out, other = torch.empty_like(x), torch.empty_like(x)\n" + LAUNCH + "\n"
              "minus[(triton.cdiv(x.numel(), 128),)](x, other, x.numel(), BLOCK=128)\nreturn out, other",
              head=KERNEL + KERNEL.removeprefix(HEAD).replace("kernel", "minus").replace("(x, 0.0)", "(-x, 0.0)")),
    ),
    "kernelbook_entry": (KERNELBOOK, HONEST_RELU.replace("ModelNew", "ClipNew")),
    "half": (reference("torch.relu(x)", "torch.randn(7, 33).half()"),
             model(f"out = torch.empty_like(x)\n{LAUNCH}\nreturn out", head=HALF)),
    "bfloat16_computed_in_fp32": (reference("torch.relu(x)", "torch.randn(7, 33).bfloat16()"),
                                  model(f"out = torch.empty_like(x)\n{LAUNCH}\nreturn out", head=HALF)),
    "strided_input": (reference("torch.relu(x)", "torch.randn(33, 7).t()"),
                      model(f"x = x.contiguous()\nout = torch.empty_like(x)\n{LAUNCH}\nreturn out")),
    "bfloat16_arithmetic": (reference("torch.relu(x + x)", "torch.randn(7, 33).bfloat16()"),
                            HONEST_RELU.replace("tl.maximum(x, 0.0)", "tl.maximum(x + x, 0.0)")),
    "libdevice": (
        reference("torch.tanh(x)"),
        model(f"out = torch.empty_like(x)\n{LAUNCH}\nreturn out", head="from triton.language.extra import libdevice\n"
              + KERNEL.replace("tl.maximum(x, 0.0)", "libdevice.tanh(x)"))),
    "says_cuda": (RELU, model(f"assert x.is_cuda\nout = torch.empty(x.shape, device='cuda')\n{LAUNCH}\n"
                              "torch.cuda.synchronize()\nreturn out")),
    "function_in_place_of_a_module": (RELU, KERNEL + "\ndef triton_kernel_wrapper(x):\n"
                                      f"    out = torch.empty_like(x)\n    {LAUNCH}\n    return out\n"),
    "weights_repacked_by_the_constructor": (
        reference("self.linear(x)", "torch.randn(12, 20)", "self.linear = nn.Linear(20, 24)"),
        model("out = torch.empty(x.shape[0], 24, device=x.device)\n"
              "kernel[(1, 2)](x, self.m, self.linear.bias, out, x.shape[0], 24, 20, BLOCK=16)\nreturn out",
              init="self.linear = nn.Linear(20, 24)\n"
                   "self.register_buffer('m', self.linear.weight.detach().t().contiguous())",
              head=MATMUL.replace("tl.maximum(acc, 0.0)", "acc"))),
    "harmless_imports": (RELU, "import os\nimport sys\nimport numpy as np\n" + HONEST_RELU),
    "helper_function_in_a_kernel": (RELU, HONEST_RELU.replace("@triton.jit\n", "@triton.jit\ndef clip(v):\n"
                                    "    return tl.maximum(v, 0.0)\n\n@triton.jit\n", 1)
                                    .replace("tl.maximum(x, 0.0), mask", "clip(x), mask")),
}  # fmt: skip

_RUN = f"out = torch.empty_like(x)\n{LAUNCH}\n"


def _kernel(old: str, new: str, after: str = "return out") -> str:
    """The honest program with another line in its kernel, or another end of its forward."""
    return model(_RUN + after, head=KERNEL.replace(old, new))


BF16 = reference("torch.relu(x)", "torch.randn(7, 33).bfloat16()")
# name -> (reference, candidate, the reason of its verdict)
FRAUD = {
    "no_code": (RELU, "", "SYNTAX"),
    "broken_syntax": (RELU, HONEST_RELU.replace("mask=mask)\n\n", "mask=mask\n\n", 1), "SYNTAX"),
    "return_outside_a_function": (RELU, HONEST_RELU + "\nreturn 1\n", "SYNTAX"),
    "nested_too_deeply": (RELU, HONEST_RELU + "\nx = " + "(" * 5000 + ")" * 5000, "SYNTAX"),
    "no_entry": (RELU, HONEST_RELU.replace("ModelNew", "Other"), "RUNTIME_ERROR"),
    "no_kernel": (RELU, model("return torch.relu(x)", head=HEAD), "NOT_TRITON"),
    "no_launch": (RELU, model("return torch.empty_like(x)"), "NOT_TRITON"),
    "constant": (RELU, _kernel("tl.maximum(x, 0.0)", "x * 0.0"), "WRONG_VALUE"),
    "copy": (RELU, _kernel("tl.maximum(x, 0.0)", "x"), "WRONG_VALUE"),
    "half_of_the_work": (RELU, _kernel("x, 0.0), mask=mask", "x, 0.0), mask=mask & (offs < 100)"), "NOT_TRITON"),
    "no_op": (RELU, _kernel("mask=mask)\n\n", "mask=mask & False)\n\n"), "NOT_TRITON"),
    "nan": (RELU, _kernel("tl.maximum(x, 0.0)", "x * float('nan')"), "WRONG_VALUE"),
    "off_by_one_per_mille": (RELU, _kernel("tl.maximum(x, 0.0)", "tl.maximum(x, 0.0) * 1.001"), "WRONG_VALUE"),
    "torch_fallback": (RELU, model(_RUN + "return torch.relu(x)"), "NOT_TRITON"),
    "torch_operator_after_a_decoy": (RELU, model(_RUN + "return (x > 0) * x"), "NOT_TRITON"),
    "except_fallback": (
        RELU, model(f"out = torch.empty_like(x)\ntry:\n    {LAUNCH.replace('x, out,', 'x, None,')}\n    return out\n"
                    "except Exception:\n    return torch.relu(x)"), "RUNTIME_ERROR"),
    "except_everything": (
        RELU, model("out = torch.empty_like(x)\ntry:\n    torch.relu(x)\nexcept BaseException:\n    pass\n"
                    f"{LAUNCH}\nreturn out"), "NOT_TRITON"),
    "python_numbers": (
        RELU, model(_RUN + "out.copy_(torch.tensor([[max(v.item(), 0.0) for v in row] for row in x]))\nreturn out"),
        "NOT_TRITON"),
    "item_of_an_input": (RELU, model(_RUN + "y = x.sum().item()\nreturn out"), "NOT_TRITON"),
    "numpy_in_place_of_a_kernel": (
        RELU, model(_RUN + "return torch.from_numpy(np.maximum(x.numpy(), 0.0))", head="import numpy as np\n" + KERNEL),
        "NOT_TRITON"),
    "os_exit": (RELU, "import os\nos._exit(0)\n" + HONEST_RELU, "RUNTIME_ERROR"),
    "subclass": (
        RELU, model(_RUN + "return out.as_subclass(Lazy)", head=KERNEL + "class Lazy(torch.Tensor):\n    pass\n"),
        "WRONG_DTYPE"),
    "patched_allclose": (
        RELU, _kernel("tl.maximum(x, 0.0)", "x") + "\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
        "torch.isfinite = torch.ones_like\n", "WRONG_VALUE"),
    "system_exit": (RELU, model("raise SystemExit(0)"), "RUNTIME_ERROR"),
    "exception": (RELU, model("return self.nothing"), "RUNTIME_ERROR"),
    "missing_argument": (RELU, model("out = torch.empty_like(x)\nkernel[(1,)](x, out, BLOCK=64)\nreturn out"),
                         "RUNTIME_ERROR"),
    "wrong_shape": (RELU, model(_RUN + "return out.view(-1)"), "WRONG_SHAPE"),
    "one_tuple": (RELU, model(_RUN + "return (out,)"), "WRONG_SHAPE"),
    "other_keys": (
        reference("{'relu': torch.relu(x)}"), model(_RUN + "return {'out': out}"), "WRONG_SHAPE"),
    "two_outputs": (RELU, model(_RUN + "return out, out"), "WRONG_SHAPE"),
    "wrong_dtype": (RELU, model(_RUN + "return out.to(torch.float16)"), "WRONG_DTYPE"),
    "wrong_dtype_double": (RELU, model(_RUN + "return out.double()"), "WRONG_DTYPE"),
    "not_a_tensor": (RELU, model(_RUN + "return 'out'"), "WRONG_DTYPE"),
    "in_place": (RELU, model(LAUNCH.replace("x, out,", "x, x,") + "\nreturn x"), "MUTATES_INPUT"),
    "reads_what_nobody_wrote": (
        RELU, model("rest, out = torch.empty_like(x), torch.empty_like(x)\n" + LAUNCH.replace("x, out", "x, rest, out")
                    + "\nreturn out", head=KERNEL.replace("x_ptr, out_ptr", "x_ptr, rest_ptr, out_ptr").replace(
                    "    tl.store",
                    "    x += tl.where(tl.load(rest_ptr + offs, mask=mask) > 0, 1e-6, 0.0)\n    tl.store")),
        "NONDETERMINISTIC"),
    "unmasked_load": (RELU, _kernel("mask=mask)\n    tl.store", "mask=None)\n    tl.store"), "OUT_OF_BOUNDS"),
    "unmasked_store": (RELU, _kernel("0.0), mask=mask)", "0.0))"), "OUT_OF_BOUNDS"),
    "wild_store": (RELU, _kernel("tl.store(out_ptr", "tl.store(out_ptr + 1000000000"), "OUT_OF_BOUNDS"),
    "wild_load_hidden": (
        RELU, model("out = torch.empty_like(x)\ntry:\n    kernel[(9,)](x, out, 2000, BLOCK=128)\n"
                    "except BaseException:\n    pass\n" + LAUNCH + "\nreturn out"), "OUT_OF_BOUNDS"),
    "python_only_kernel": (
        RELU, _kernel("    tl.store", "    for v in [1.0, 1.0]:\n        x = x * v\n    tl.store"), "COMPILE_ERROR"),
    "python_call_in_a_kernel": (
        RELU, model(_RUN + "return out", head=KERNEL.replace("tl.maximum(x, 0.0)", "helper(x)")
                    + "def helper(v):\n    return v * (v > 0)\n"), "COMPILE_ERROR"),
    "too_much_shared_memory": (
        reference("x.float() @ x.float().t()", "torch.randn(128, 512).half()"),
        model("out = torch.empty(128, 128, device=x.device)\n"
              "kernel[(1,)](x, out, 512, BLOCK=128, num_stages=8)\nreturn out", head=HEAD + """
@triton.jit
def kernel(x_ptr, out_ptr, K, BLOCK: tl.constexpr):
    r, c = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    acc = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for k in range(0, K, BLOCK):
        acc += tl.dot(tl.load(x_ptr + r * K + k + c), tl.load(x_ptr + c * K + k + r))
    tl.store(out_ptr + r * BLOCK + c, acc)

"""), "COMPILE_ERROR"),
    "inline_assembly": (
        RELU, _kernel("tl.maximum(x, 0.0)", "tl.inline_asm_elementwise('max.f32 $0, $1, 0f00000000;', '=f,f', [x], "
                      "dtype=tl.float32, is_pure=True, pack=1)"), "UNSUPPORTED"),
    "item_of_an_output": (
        RELU, model(_RUN + "if out[0, 0].item() > 1e30:\n    return x\nreturn out"), "NOT_REPLAYABLE"),
    "host_tensor": (RELU, model(_RUN.replace("torch.empty_like(x)", "torch.empty(x.shape)") + "return out"),
                    "RUNTIME_ERROR"),
    "tf32_for_float32": (
        reference("x @ x.t()", "torch.randn(32, 32)"),
        model("out = torch.empty_like(x)\nkernel[(1,)](x, out, BLOCK=32)\nreturn out", head=HEAD + """
@triton.jit
def kernel(x_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    x = tl.load(x_ptr + at)
    tl.store(out_ptr + at, tl.dot(x, tl.trans(x)))

"""), "WRONG_VALUE"),
    "right_for_small_numbers_only": (
        reference("torch.softmax(x, dim=-1)"),
        model(ALLOCATE + "kernel[(x.shape[0],)](x, out, x.shape[1], BLOCK=64)\nreturn out",
              head=SOFTMAX.replace("x - tl.max(x, axis=0)", "x")), "WRONG_VALUE"),
    "python_in_a_kernel": (RELU, _kernel("    tl.store", "    import os\n    tl.store"), "COMPILE_ERROR"),
    "hidden_attribute_in_a_kernel": (RELU, _kernel("tl.maximum(x, 0.0)", "tl.maximum(x.handle, 0.0)"), "COMPILE_ERROR"),
    "reference_that_fails": (RELU.replace("torch.relu", "torch.no_such"), HONEST_RELU, "UNSUPPORTED"),
    "reference_without_a_signal": (RELU.replace("torch.relu(x)", "torch.relu(x) * 0"), HONEST_RELU, "UNSUPPORTED"),
    "random_reference": (RELU.replace("torch.relu(x)", "torch.rand_like(x)"), HONEST_RELU, "UNSUPPORTED"),
    "infinite_loop": (RELU, model("while True:\n    pass"), "TIMEOUT"),
    "long_power": (RELU, model("return 7 ** 7 ** 9"), "TIMEOUT"),
    "memory_hog": (
        RELU, model("self.kept = [bytearray(1 << 26) for _ in range(64)]\n" + _RUN + "return out"), "OUT_OF_MEMORY"),
    "tensor_hog": (RELU, model("self.kept = torch.zeros(1 << 30)\n" + _RUN + "return out"), "OUT_OF_MEMORY"),
    "print_spam": (RELU, model("for _ in range(100):\n    print('x' * 100_000, flush=True)\n" + _RUN + "return out"),
                   "RUNTIME_ERROR"),
    "recursion": (RELU, model("return self.forward(x)"), "RUNTIME_ERROR"),
}  # fmt: skip

_SPY = """import gc, os, sys
frame, seen = sys._getframe(), []
while frame:
    seen += [*frame.f_locals, *frame.f_globals]
    frame = frame.f_back
for thing in gc.get_objects():
    if type(thing) is dict:
        seen += [key for key in thing if type(key) is str]
assert not {"get_inputs", "get_init_inputs", "expected", "_secret"} & set(seen), "found"
"""
# With the static check off: what remains is the process's confinement. The last value: its reason, None for PASS.
UNCHECKED = {
    "spy_finds_nothing": (RELU, HONEST_RELU + _SPY, None),
    "os_exit": (RELU, model("import os\nos._exit(0)"), "RUNTIME_ERROR"),
    "segmentation_fault": (RELU, model("import ctypes\nctypes.string_at(0)"), "RUNTIME_ERROR"),
    "abort": (RELU, model("import os\nos.abort()"), "RUNTIME_ERROR"),
    "forged_answer": (
        RELU, model("import os\nos.write(3, b'{\"outputs\": [1.0], \"launches\": []}')\nos._exit(0)"), "RUNTIME_ERROR"),
    "forged_tensor": (
        RELU, model("import os\nos.write(3, b'{\"outputs\": [[\"tensor\", {\"at\": 9999999, \"shape\": [7, 33],"
                    " \"dtype\": \"float32\"}]], \"launches\": []}')\nos._exit(0)"), "RUNTIME_ERROR"),
    "forged_shape": (
        RELU, model("import os\nos.write(3, b'{\"outputs\": [[\"tensor\", {\"at\": -8, \"shape\": [-7],"
                    " \"dtype\": \"float32\"}]], \"launches\": []}')\nos._exit(0)"), "RUNTIME_ERROR"),
    "garbage_answer": (RELU, model("import os\nos.write(3, b'[' * 90000)\nos._exit(0)"), "RUNTIME_ERROR"),
    "shrunk_memory": (RELU, model("import os\nos.ftruncate(4, 0)\nos.ftruncate(5, 0)"), "RUNTIME_ERROR"),
    "reads_files": (RELU, model("import os\nos.listdir('/')"), "RUNTIME_ERROR"),
    "reads_other_processes": (RELU, model("open('/proc/1/environ').read()"), "RUNTIME_ERROR"),
    "writes_files": (RELU, model("open('/tmp/kernelraft-escaped', 'w')"), "RUNTIME_ERROR"),
    "opens_a_socket": (RELU, model("import socket\nsocket.socket()"), "RUNTIME_ERROR"),
    "kills_its_parent": (RELU, model("import os\nos.kill(os.getppid(), 0)"), "RUNTIME_ERROR"),
    "forks": (
        RELU, model("import os\nfor _ in range(9):\n    if os.fork() == 0:\n        os._exit(0)"), "RUNTIME_ERROR"),
    "daemon": (
        RELU, model("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
                    "        time.sleep(20)\n    os._exit(0)"), "RUNTIME_ERROR"),
    "outlives_its_parent": (
        RELU, model("import ctypes\nassert ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0\n" + _RUN + "return out"),
        "RUNTIME_ERROR"),
    "runs_a_program": (RELU, model("import os\nos.execv('/bin/true', ['true'])"), "RUNTIME_ERROR"),
    "shared_memory_hog": (
        RELU, model("import mmap, time\nself.kept = [mmap.mmap(-1, 1 << 26) for _ in range(64)]\n"
                    "for m in self.kept:\n    m[:] = bytes(1 << 26)\ntime.sleep(5)"), "RUNTIME_ERROR"),
    "zero_device_hog": (
        RELU, model("import mmap\nwith open('/dev/zero', 'r+b') as f:\n    mmap.mmap(f.fileno(), 1 << 30)"),
        "RUNTIME_ERROR"),
    "patched_comparison": (
        RELU, _kernel("tl.maximum(x, 0.0)", "x") + "\ntorch.Tensor.__eq__ = torch.Tensor.__le__ = lambda *a: True\n",
        "WRONG_VALUE"),
    "hides_its_operators": (
        RELU, model("from torch.utils._python_dispatch import _disable_current_modes\n" + _RUN
                    + "with _disable_current_modes():\n    return torch.relu(x)"), "NOT_TRITON"),
}  # fmt: skip
