"""Judging of Triton kernels: trusted judge, confined candidate. Knows no config; only records, errors and itself.

Process tree of one pool (see pool.py):

    main ─┬─ server "run"      torch + triton, interpreting ─── zygote (one a slot) ─── trial child (confined)
          └─ server "compile"  torch + triton, compiling ─┬──── zygote (one a slot) ─┬─ compile child (confined)
                                                          │                          └─ ptxas (confined)
                                                          └──── judge (one a slot): reference, seeds, verdict
"""
