"""4-bit NormalFloat weights with double quantisation, of matrices and of stacks of them.

Source: Dettmers et al. 2023, arXiv:2305.14314, sections 3 and appendix E. The values are those of bitsandbytes.
"""

from kernelraft.model.nf4.kernel import LowRank
from kernelraft.model.nf4.packing import BLOCK, Packed, divides, pack, unpack, unpack_adding

__all__ = ["BLOCK", "LowRank", "Packed", "divides", "pack", "unpack", "unpack_adding"]
