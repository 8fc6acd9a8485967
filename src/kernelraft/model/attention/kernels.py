"""FlashAttention over one row of many documents, cut into tiles without regard to where documents end.

A kernel that is given documents one by one starts programs for the longest possible one of each; this one starts as
many as there are tiles. Nothing is added up in an order that may change: equal inputs give equal bits.

T positions of all documents, H query heads, G key heads, R = H/G, D width of a head; M queries or N keys of a tile.
`first_T` and `until_T` say where each position's document begins and ends.

Source: Dao 2023, arXiv:2307.08691, algorithms 1 and 2, by tiles of queries for dQ and by tiles of keys for dK and dV.
"""

# Triton before 3.7 takes annotations of its kernels for values that they use: they have none.
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def _rows(base, row, stride, inside, D: tl.constexpr):
    """Rows of one head, zeros where they are not inside."""
    return tl.load(base + row[:, None] * stride + tl.arange(0, D)[None, :], mask=inside[:, None], other=0.0)


@triton.jit
def _seen(row, first, column, window):
    """Which keys (columns) a query sees: of its own document, not after it, in its window."""
    return (column <= row) & (column >= first) & (column > row - window)


@triton.jit  # type: ignore[untyped-decorator]
def _reach(first_T, at, T, window, M: tl.constexpr, N: tl.constexpr):
    """Tiles of keys for the queries from `at`: from, first that all of them see, end of those, end."""
    after = tl.minimum(at + M, T)
    begin = tl.maximum(tl.load(first_T + at), at - window + 1) // N * N
    whole = tl.maximum(tl.load(first_T + after - 1), after - window)
    whole = tl.minimum(tl.maximum(tl.cdiv(whole, N) * N, begin), tl.cdiv(after, N) * N)
    return begin, whole, tl.maximum((at + 1) // N * N, whole), after


@triton.jit  # type: ignore[untyped-decorator]
def _phase(number: tl.constexpr, begin, masked, whole, partial, end):
    """From and to of the tiles that are seen in part, then wholly, then in part again."""
    if number == 0:
        start, stop = begin, masked
    elif number == 1:
        start, stop = whole, partial
    else:
        start, stop = partial, end
    return start, stop


@triton.jit  # type: ignore[untyped-decorator]
def _add_keys(
    total, largest, summed, q, k, v, at, row, first, window, scale, MASKED: tl.constexpr, N: tl.constexpr
):  # fmt: skip
    """One tile of keys and values into the running sums of the softmax; scores are powers of two."""
    column = at + tl.arange(0, N)
    keys = k.load([at, 0])
    score = tl.dot(q, tl.trans(keys)) * scale
    if MASKED:
        score = tl.where(_seen(row[:, None], first[:, None], column[None, :], window), score, -float("inf"))
    higher = tl.maximum(largest, tl.max(score, 1))
    weight = tl.exp2(score - higher[:, None])
    shrink = tl.exp2(largest - higher)
    values = v.load([at, 0])
    summed = tl.dot(weight.to(values.dtype), values, summed * shrink[:, None])
    return total * shrink + tl.sum(weight, 1), higher, summed


@triton.jit  # type: ignore[untyped-decorator]
def attend_forward(
    q, k, v, first_T, sinks, out, norm, T, q_stride, q_head, k_stride, k_head, v_stride, v_head, scale, window,
    R, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr, SINKS: tl.constexpr
):  # fmt: skip
    """`out` (T, H, D) and `norm` (H, T): log2 of what the weights of a query add up to."""
    head, heads = tl.program_id(1), tl.num_programs(1)
    at = (tl.num_programs(0) - 1 - tl.program_id(0)) * M
    row = at + tl.arange(0, M)
    inside = row < T
    first = tl.load(first_T + row, mask=inside, other=T)
    queries = _rows(q + head * q_head, row.to(tl.int64), q_stride, inside, D)
    k = tl.make_tensor_descriptor(k + head // R * k_head, shape=[T, D], strides=[k_stride, 1], block_shape=[N, D])
    v = tl.make_tensor_descriptor(v + head // R * v_head, shape=[T, D], strides=[v_stride, 1], block_shape=[N, D])
    begin, whole, partial, after = _reach(first_T, at, T, window, M, N)
    total, largest = tl.zeros((M,), tl.float32), tl.full((M,), -1e30, tl.float32)
    summed = tl.zeros((M, D), tl.float32)
    for phase in tl.static_range(3):
        start, stop = _phase(phase, begin, whole, whole, partial, after)
        for n in range(start, stop, N):
            total, largest, summed = _add_keys(
                total, largest, summed, queries, k, v, n, row, first, window, scale, phase != 1, N
            )
    if SINKS:
        total += tl.exp2(tl.load(sinks + head).to(tl.float32) * 1.4426950408889634 - largest)
    place = out + (row.to(tl.int64) * heads + head)[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(place, (summed / total[:, None]).to(out.dtype.element_ty), mask=inside[:, None])
    tl.store(norm + head * T + row, largest + tl.log2(total), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _for_queries(
    grad_q, q, grad, norm, delta, k, v, at, row, first, window, scale, MASKED: tl.constexpr, N: tl.constexpr
):  # fmt: skip
    column = at + tl.arange(0, N)
    keys = k.load([at, 0])
    values = v.load([at, 0])
    weight = tl.exp2(tl.dot(q, tl.trans(keys)) * scale - norm[:, None])
    if MASKED:
        weight = tl.where(_seen(row[:, None], first[:, None], column[None, :], window), weight, 0.0)
    change = weight * (tl.dot(grad, tl.trans(values)) - delta[:, None])
    return tl.dot(change.to(keys.dtype), keys, grad_q)


@triton.jit  # type: ignore[untyped-decorator]
def attend_backward_queries(
    q, k, v, first_T, out, norm, grad, grad_q, delta, T, q_stride, q_head, k_stride, k_head, v_stride, v_head, scale,
    window, R, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr
):  # fmt: skip
    """`grad_q` (T, H, D), and `delta` (H, T): each query's sum of `grad` times `out`, which are (T, H, D)."""
    head, heads = tl.program_id(1), tl.num_programs(1)
    at = (tl.num_programs(0) - 1 - tl.program_id(0)) * M
    row = at + tl.arange(0, M)
    inside = row < T
    first = tl.load(first_T + row, mask=inside, other=T)
    long_row = row.to(tl.int64)
    queries = _rows(q + head * q_head, long_row, q_stride, inside, D)
    grads = _rows(grad + head * D, long_row, heads * D, inside, D)
    outs = _rows(out + head * D, long_row, heads * D, inside, D)
    sums = tl.sum(grads.to(tl.float32) * outs.to(tl.float32), 1)
    tl.store(delta + head * T + row, sums, mask=inside)
    norms = tl.load(norm + head * T + row, mask=inside, other=0.0)
    k = tl.make_tensor_descriptor(k + head // R * k_head, shape=[T, D], strides=[k_stride, 1], block_shape=[N, D])
    v = tl.make_tensor_descriptor(v + head // R * v_head, shape=[T, D], strides=[v_stride, 1], block_shape=[N, D])
    begin, whole, partial, after = _reach(first_T, at, T, window, M, N)
    found = tl.zeros((M, D), tl.float32)
    for phase in tl.static_range(3):
        start, stop = _phase(phase, begin, whole, whole, partial, after)
        for n in range(start, stop, N):
            found = _for_queries(found, queries, grads, norms, sums, k, v, n, row, first, window, scale, phase != 1, N)
    place = grad_q + (long_row * heads + head)[:, None] * D + tl.arange(0, D)[None, :]
    found *= scale * 0.6931471805599453
    tl.store(place, found.to(grad_q.dtype.element_ty), mask=inside[:, None])


@triton.jit  # type: ignore[untyped-decorator]
def _for_keys(
    grad_k, grad_v, k, v, q, grad, norm, delta, first_T, at, column, T, window, scale,
    MASKED: tl.constexpr, M: tl.constexpr
):  # fmt: skip
    row = at + tl.arange(0, M)
    inside = row < T
    queries = q.load([at, 0])
    grads = grad.load([at, 0])
    norms = tl.load(norm + row, mask=inside, other=0.0)
    weight = tl.exp2(tl.dot(k, tl.trans(queries)) * scale - norms[None, :])
    if MASKED:
        first = tl.load(first_T + row, mask=inside, other=T)
        weight = tl.where(_seen(row[None, :], first[None, :], column[:, None], window), weight, 0.0)
    grad_v = tl.dot(weight.to(grads.dtype), grads, grad_v)
    sums = tl.load(delta + row, mask=inside, other=0.0)
    change = weight * (tl.dot(v, tl.trans(grads)) - sums[None, :])
    return tl.dot(change.to(queries.dtype), queries, grad_k), grad_v


@triton.jit  # type: ignore[untyped-decorator]
def attend_backward_keys(
    q, k, v, first_T, until_T, norm, grad, delta, grad_k, grad_v, T, heads, q_stride, q_head, k_stride, k_head,
    v_stride, v_head, scale, window, R, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr
):  # fmt: skip
    """`grad_k` and `grad_v` (T, G, D), after `attend_backward_queries`; all R heads of a key head one after another."""
    group, groups = tl.program_id(1), tl.num_programs(1)
    at = tl.program_id(0) * N
    column = at + tl.arange(0, N)
    inside = column < T
    keys = _rows(k + group * k_head, column.to(tl.int64), k_stride, inside, D)
    values = _rows(v + group * v_head, column.to(tl.int64), v_stride, inside, D)
    last = tl.minimum(at + N, T) - 1
    begin = at // M * M
    end = tl.minimum(tl.load(until_T + last), last + window)
    whole = tl.cdiv(last, M) * M
    partial = tl.maximum(tl.minimum(tl.load(until_T + at), at + window) // M * M, whole)
    found_k, found_v = tl.zeros((N, D), tl.float32), tl.zeros((N, D), tl.float32)
    for r in range(R):
        head = group * R + r
        norm_h, delta_h = norm + head * T, delta + head * T
        q_h = tl.make_tensor_descriptor(q + head * q_head, shape=[T, D], strides=[q_stride, 1], block_shape=[M, D])
        grad_h = tl.make_tensor_descriptor(grad + head * D, shape=[T, D], strides=[heads * D, 1], block_shape=[M, D])
        for phase in tl.static_range(3):
            start, stop = _phase(phase, begin, tl.minimum(whole, end), whole, partial, end)
            for m in range(start, stop, M):
                found_k, found_v = _for_keys(
                    found_k, found_v, keys, values, q_h, grad_h, norm_h, delta_h, first_T, m, column, T, window, scale,
                    phase != 1, M
                )  # fmt: skip
    place = (column.to(tl.int64) * groups + group)[:, None] * D + tl.arange(0, D)[None, :]
    found_k *= scale * 0.6931471805599453
    tl.store(grad_k + place, found_k.to(grad_k.dtype.element_ty), mask=inside[:, None])
    tl.store(grad_v + place, found_v.to(grad_v.dtype.element_ty), mask=inside[:, None])
