"""Two files of f32 agree: the largest difference is at most TOLERANCE of the second one's root mean square.

    nearly_equal.py TOLERANCE A.npy B.npy        needs no numpy
"""
import array, struct, sys


def floats(path):
    data = open(path, "rb").read()
    length = struct.unpack("<H", data[8:10])[0]
    assert data[:6] == b"\x93NUMPY" and b"'<f4'" in data[10 : 10 + length], f"{path} holds no f32"
    return array.array("f", data[10 + length :])


a, b = map(floats, sys.argv[2:])
size = (sum(x * x for x in b) / len(b)) ** 0.5
worst = max(abs(x - y) for x, y in zip(a, b))
if len(a) != len(b) or not worst <= float(sys.argv[1]) * size:
    sys.exit(f"{len(a)} and {len(b)} elements, off by {worst}, expected {sys.argv[1]} of {size}")
