import bitsandbytes.functional as bnb
import pytest
import torch

from kernelraft.model.nf4 import LowRank, pack, unpack, unpack_adding
from kernelraft.model.nf4.codebook import scale_levels
from tests.interpreted import interpreted


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("shape", [(257, 320), (3, 64, 128), (1, 64)])
def test_codes_and_weights_are_those_of_bitsandbytes(shape, double):
    torch.manual_seed(0)
    weight = torch.randn(shape)
    packed = pack(weight, double=double)
    codes, state = bnb.quantize_4bit(weight, blocksize=64, compress_statistics=double, quant_type="nf4")
    assert torch.equal(packed.codes, codes.view(-1))
    again, theirs = unpack(packed, shape, torch.float32), bnb.dequantize_4bit(codes, state).view(shape)
    assert (again == theirs).float().mean() > 0.99  # a scale midway between two codes may take either
    assert (again - weight).norm() / weight.norm() < 0.1


def test_the_scales_levels_are_those_of_bitsandbytes():
    assert torch.equal(scale_levels(torch.device("cpu")), bnb.create_dynamic_map())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_weight_on_the_levels_comes_back(dtype):
    blocks = torch.tensor([[0.5, -0.5, 0.0, 0.25] * 16, [0.0] * 64])
    again = unpack(pack(blocks, double=False), (2, 64), dtype)
    assert torch.equal(again[:, 0:3], blocks[:, 0:3].to(dtype)) and not again[1].any()


def test_packed_weights_survive_a_cast_of_their_module():
    from kernelraft.model.lora.stored import Stored, dense

    weight = torch.randn(64, 128)
    stored = Stored.packed(weight, double=True)
    before = dense(stored.parts, stored.shape, torch.float32)
    stored.to(torch.bfloat16)
    assert torch.equal(dense(stored.parts, stored.shape, torch.float32), before)
    assert 4.1 < stored.bits < 4.2


def test_a_tensor_that_blocks_do_not_fill_is_refused():
    with pytest.raises(ValueError, match=r"multiple of 64 weights, found \(3, 7\)"):
        pack(torch.zeros(3, 7))


def test_the_kernel_unpacks_as_torch_does():
    assert interpreted("unpack") == 0.0


def test_the_kernel_adds_as_torch_does():
    assert interpreted("unpack_adding") < 1e-6


def test_what_is_added_is_not_lost_where_it_is_less_than_half_a_last_place():
    torch.manual_seed(0)
    packed, shape = pack(torch.randn(256, 512)), (256, 512)
    added = LowRank(torch.full((256, 1), 1e-4), torch.ones(1, 512), 1.0)
    plain = unpack(packed, shape, torch.bfloat16)
    large = plain.abs() > 0.1
    assert torch.equal((plain + 1e-4)[large], plain[large])  # added to what was rounded before, it is lost
    moved = unpack_adding(packed, shape, torch.bfloat16, added).double() - plain.double()
    assert float(moved[large].mean()) == pytest.approx(1e-4, rel=0.2)
