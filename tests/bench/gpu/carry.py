"""How do plans with constants travel in little space? In pieces, of which equal ones are kept once, and with few values as a palette.

A plan is cut where its own bytes say so (a hash of 64 bytes, the alignment of constants), so that two plans of one network share their
weights' pieces. A piece whose 16-bit words take at most 256 values is stored as those values and as many bits a word as it takes: weights
of two bits a number (networks.py) take two. Everything else goes through zlib. `unpack` gives the very bytes back.
"""

import hashlib
import pathlib
import struct
import zlib

import numpy as np

ROW, AVERAGE, LARGEST = 64, 2048, 16384  # bytes; rows a piece on average, and at most
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3,
                0x589965CC75374CC3], dtype=np.uint64)  # fmt: skip


def pieces(data: bytes) -> list[bytes]:
    whole = len(data) // ROW * ROW
    rows = np.frombuffer(data[:whole], dtype=np.uint64).reshape(-1, ROW // 8)
    with np.errstate(over="ignore"):
        mixed = ((rows ^ (rows >> np.uint64(29))) * MIX).sum(axis=1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * MIX[0]
    cuts, last = [], 0
    for at in np.flatnonzero((mixed >> np.uint64(40)) % np.uint64(AVERAGE) == 0).tolist() + [len(rows)]:
        while at - last > LARGEST:
            last += LARGEST
            cuts.append(last)
        if at > last:
            cuts.append(at)
            last = at
    starts = [0, *[cut * ROW for cut in cuts]]
    parts = [data[a:b] for a, b in zip(starts, starts[1:])]
    return parts + ([data[whole:]] if whole < len(data) else [])


def encode(piece: bytes) -> bytes:
    words = np.frombuffer(piece[: len(piece) // 2 * 2], dtype=np.uint16)
    values = np.flatnonzero(np.bincount(words, minlength=65536)).astype(np.uint16) if len(words) else words
    plain = b"z" + zlib.compress(piece, 6)
    if len(piece) % 2 or not 0 < len(values) <= 256:
        return plain
    width = max(1, int(len(values) - 1).bit_length())
    at = np.zeros(65536, dtype=np.uint8)
    at[values] = np.arange(len(values))
    bits = np.unpackbits(at[words][:, None], axis=1)[:, 8 - width :]
    packed = b"p" + struct.pack("<BHI", width, len(values), len(words)) + values.tobytes() + np.packbits(bits).tobytes()
    return min(packed, plain, key=len)


def decode(stored: bytes) -> bytes:
    if stored[:1] == b"z":
        return zlib.decompress(stored[1:])
    width, count, words = struct.unpack_from("<BHI", stored, 1)
    start = 1 + struct.calcsize("<BHI")
    values = np.frombuffer(stored, dtype=np.uint16, count=count, offset=start)
    packed = np.frombuffer(stored, dtype=np.uint8, offset=start + 2 * count)
    bits = np.unpackbits(packed, count=words * width).reshape(words, width)
    index = np.zeros(words, dtype=np.uint8)
    for column in range(width):
        index = (index << 1) | bits[:, column]
    return values[index].tobytes()


class Store:
    """Pieces in one file; `where` says for each digest where it lies."""

    def __init__(self, path: pathlib.Path):
        self.path, self.where, self.size = path, {}, 0
        path.write_bytes(b"")

    def put(self, data: bytes) -> list[list[int]]:
        """Where the pieces of `data` lie: offset and size of each."""
        found = []
        with self.path.open("ab") as file:
            for piece in pieces(data):
                digest = hashlib.sha256(piece).digest()
                if digest not in self.where:
                    stored = encode(piece)
                    file.write(stored)
                    self.where[digest] = [self.size, len(stored)]
                    self.size += len(stored)
                found.append(self.where[digest])
        return found


def unpack(store: pathlib.Path, where: list[list[int]], sha256: str) -> bytes:
    with store.open("rb") as file:
        parts = []
        for offset, size in where:
            file.seek(offset)
            parts.append(decode(file.read(size)))
    whole = b"".join(parts)
    if hashlib.sha256(whole).hexdigest() != sha256:
        raise ValueError("a plan's pieces do not give the plan: make the folder again")
    return whole
