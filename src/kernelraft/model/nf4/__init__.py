"""4-bit NormalFloat weights with double quantisation, of matrices and of stacks of them.

Source: Dettmers et al. 2023, arXiv:2305.14314, sections 3 and appendix E. The values are those of bitsandbytes.
"""

from kernelraft.model.nf4.packing import BLOCK, Packed, divides, pack, piece, unpack

__all__ = ["BLOCK", "Packed", "divides", "pack", "piece", "unpack"]
