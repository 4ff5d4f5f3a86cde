"""What numbers do the blocks of a GGUF file stand for? A decoder of each type, from the layout of its bytes, in float64.

A block is a run of elements along a row. d, m, s are 16-bit floats; nibbles of a byte: the low one first. In blocks of 32 the low nibbles
of 16 bytes are elements 0 … 15, the high ones 16 … 31.

    Q8_0   32   d, 32 signed bytes                       d q
    Q4_0   32   d, 16 bytes of nibbles                   d (q - 8)
    Q4_1   32   d, m, 16 bytes                           d q + m
    Q5_0   32   d, 32 fifth bits, 16 bytes               d (q - 16)
    Q5_1   32   d, m, 32 fifth bits, 16 bytes            d q + m
    Q4_K  256   d, s, 12 bytes of scales, 128 bytes      d a q - s b, with a, b of 6 bits for each 32 elements
    Q5_K  256   d, s, 12, 32 bytes of fifth bits, 128    the same; bit i of byte l is of element l of sub-block i
    Q6_K  256   128 low, 64 high bytes, 16 a, d          d a (q - 32), with a signed byte a for each 16 elements
"""

import numpy as np

BYTES = {"Q8_0": 34, "Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210}
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}  # where f16 lie


def half(blocks: np.ndarray, at: int) -> np.ndarray:
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float64)


def nibbles(bytes_: np.ndarray) -> np.ndarray:
    """[blocks, n] bytes to [blocks, 2 n]: all low nibbles, then all high ones."""
    return np.concatenate([bytes_ & 15, bytes_ >> 4], axis=1).astype(np.int64)


def fifth_bits(blocks: np.ndarray, at: int) -> np.ndarray:
    return np.unpackbits(blocks[:, at : at + 4], axis=1, bitorder="little").astype(np.int64) << 4


def q8_0(b):
    return half(b, 0) * np.ascontiguousarray(b[:, 2:]).view(np.int8)


def q4_0(b):
    return half(b, 0) * (nibbles(b[:, 2:]) - 8)


def q4_1(b):
    return half(b, 0) * nibbles(b[:, 4:]) + half(b, 2)


def q5_0(b):
    return half(b, 0) * ((nibbles(b[:, 6:]) | fifth_bits(b, 2)) - 16)


def q5_1(b):
    return half(b, 0) * (nibbles(b[:, 8:]) | fifth_bits(b, 4)) + half(b, 2)


def k_scales(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """12 bytes to 8 factors and 8 offsets of 6 bits: the first four lie in the low 6 bits of bytes 0-3 and 4-7, the last four have their
    low 4 bits in the nibbles of bytes 8-11 and their high 2 bits on top of bytes 0-3 and 4-7."""
    s = s.astype(np.int64)
    low_a, low_b, rest = s[:, :4], s[:, 4:8], s[:, 8:]
    a = np.concatenate([low_a & 63, (rest & 15) | (low_a >> 6 << 4)], axis=1)
    b = np.concatenate([low_b & 63, (rest >> 4) | (low_b >> 6 << 4)], axis=1)
    return a, b


def k_blocks(b, q):
    """q: [blocks, 8, 32] codes."""
    factors, offsets = k_scales(b[:, 4:16])
    y = half(b, 0)[..., None] * factors[..., None] * q - half(b, 2)[..., None] * offsets[..., None]
    return y.reshape(len(b), 256)


def paired_nibbles(bytes_: np.ndarray) -> np.ndarray:
    """Each 32 bytes hold two sub-blocks: low nibbles, then high ones."""
    parts = bytes_.reshape(len(bytes_), 4, 1, 32).astype(np.int64)
    return np.concatenate([parts & 15, parts >> 4], axis=2).reshape(len(bytes_), 8, 32)


def q4_k(b):
    return k_blocks(b, paired_nibbles(b[:, 16:]))


def q5_k(b):
    fifth = (b[:, None, 16:48].astype(np.int64) >> np.arange(8)[:, None]) & 1
    return k_blocks(b, paired_nibbles(b[:, 48:]) | fifth << 4)


def q6_k(b):
    """Two halves of 128 elements: 64 low bytes, 32 high bytes. Quarter p of a half has its low nibbles in bytes 32 (p mod 2) …, the low
    ones for p < 2, and its two high bits at bits 2 p of the high bytes."""
    low, high = b[:, :128].reshape(-1, 2, 2, 32).astype(np.int64), b[:, 128:192].reshape(-1, 2, 1, 32).astype(np.int64)
    q = np.concatenate([low & 15, low >> 4], axis=2) | ((high >> np.array([0, 2, 4, 6])[:, None]) & 3) << 4
    scales = np.ascontiguousarray(b[:, 192:208]).view(np.int8).astype(np.float64)
    return (half(b, 208)[..., None] * scales[..., None] * (q.reshape(-1, 16, 16) - 32)).reshape(len(b), 256)


DECODERS = {"Q8_0": q8_0, "Q4_0": q4_0, "Q4_1": q4_1, "Q5_0": q5_0, "Q5_1": q5_1, "Q4_K": q4_k, "Q5_K": q5_k, "Q6_K": q6_k}


def decode(kind: str, data: np.ndarray) -> np.ndarray:
    """uint8 [.., bytes of a row] to float64 [.., elements of a row]."""
    blocks = np.ascontiguousarray(data).reshape(-1, BYTES[kind])
    return DECODERS[kind](blocks).reshape(*data.shape[:-1], -1)
