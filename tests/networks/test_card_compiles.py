"""The passes for a card compile for one, which needs none: Triton's interpreter takes what its compiler does not."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="Triton comes with torch for CUDA, and with the extra test")

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from kpbench.networks import card_convolution, card_kernels, card_pictures, card_sums
from kpbench.training import card_adamw, card_moves

FLOATS = "slope eps momentum unbiased divisor first second keep rate root"
SIZES = dict.fromkeys("places size channels tiles n out_w out_h pivot_at n_parts count length".split(), "i32")
SIZES |= dict.fromkeys(FLOATS.split(), "fp32") | {"index": "*i64", "batches": "*i64"}

done = set()

def compiled(kernel, constants, **kinds):
    kinds = {**SIZES, **kinds}
    signature = {
        name: "constexpr" if name in constants else kinds.get(name, "*fp32") for name in kernel.arg_names
    }
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    triton.compile(ASTSource(kernel, signature, places), target=GPUTarget("cuda", 90, 32))
    done.add(kernel.__name__)

TILE = {"block_p": 64, "block_c": 16}
SUMS = {"block_r": 128, "block_c": 16}
EACH = {"block_n": 32, "block_c": 16}
for kind in ("*fp32", "*bf16"):
    maps = dict.fromkeys("y pooled z out gradient".split(), kind) | {"where": "*u8"}
    for norm in (False, True):
        compiled(card_kernels.pool, {"norm": norm, **TILE}, **maps)
        compiled(card_kernels.pool_backward, {"norm": norm, **TILE}, **maps)
    compiled(card_kernels.statistics, SUMS, y=kind)
    compiled(card_kernels.affine_act, TILE, pooled=kind, z=kind)
    compiled(card_kernels.sums_backward, TILE, **maps)
    compiled(card_kernels.each, EACH, **maps)
    compiled(card_kernels.each_backward, EACH, **maps)
    for into, x in ((1, "*fp32"), (16, kind)):
        sides = {"size": 96, "biased": True, "turned": into > 1, "kernel": 3, "into": into}
        compiled(card_convolution.forward, {**sides, "block_p": 32, "block_k": 16, "block_c": 16}, x=x, y=kind)
    sides = {"size": 96, "rounds": 3, "into": 16, "block_p": 32, "block_i": 16, "block_c": 16}
    compiled(card_convolution.weigh, sides, x=kind, gradient=kind)
    sides = {"size": 96, "rounds": 3, "kernel": 3, "block_p": 32, "block_t": 16, "block_c": 16}
    compiled(card_convolution.backward, sides, gradient=kind)
    sides = {"size": 96, "block_p": 32, "block_c": 16}
    for norm in (False, True):
        compiled(card_pictures.forward, {"norm": norm, "biased": not norm, **sides}, weights=kind, z=kind, where="*u8")
        compiled(card_pictures.spread, {"norm": norm, "block_c": 16}, weights=kind, taken="*fp64", moments="*fp64")
    compiled(card_pictures.backward, {"rounds": 3, **sides}, **maps)
    compiled(card_pictures.fold, {"biased": True, "block_c": 16}, weights=kind, moments="*fp64")
    compiled(card_sums.add, {"block_r": 256, "block_c": 16}, out=kind)
compiled(card_pictures.sum_moments, {"rounds": 3, "size": 96, "block_p": 64})
compiled(card_kernels.terms, SUMS)
compiled(card_adamw.move, {"block": 1024})
compiled(card_moves.sample, {"size": 96, "block": 1024}, images="*u8")
compiled(card_moves.light, {"tiles": 9, "size": 96, "block": 1024, "most": 16})

for module in (card_adamw, card_convolution, card_kernels, card_moves, card_pictures, card_sums):
    own = {name for name, value in vars(module).items() if isinstance(value, triton.JITFunction)}
    assert {name for name in own if name[0] != "_"} <= done, own - done
"""


def test_every_pass_compiles_for_a_card(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
