"""Seeds derived by hashing, never from a global state."""

import hashlib

BLOCKS_PER_SEED = 10_000


def derive(seed: int, *roles: str | int) -> int:
    """A 63-bit seed for one role (`derive(3, "order", epoch)`), independent of every other role's."""
    text = ":".join(str(part) for part in (seed, *roles))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def block_seed(base: int, block: int) -> int:
    """The run seed of block `block` in a study with seed `base`: 0, 1, 2 ... for base 0, 10000 ... for base 1."""
    return base * BLOCKS_PER_SEED + block
