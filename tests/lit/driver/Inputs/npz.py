"""npz.py FILE NAME=TYPE:SHAPE:SEED… [--stored] [--set NAME=VALUE]: an archive of arrays, as numpy.savez_compressed writes one, of numbers that a
seed decides: floats between -1 and 1, integers 0 or 1. --set makes the first element of an array something else. With a FILE that ends in `/`,
a folder of .npy files."""
import io
import os
import random
import struct
import sys
import zipfile

CODES = {"f4": "f", "f8": "d", "i8": "q"}


def npy(kind, shape, seed, first):
    count = 1
    for n in shape:
        count *= n
    generator = random.Random(int(seed))
    values = [generator.uniform(-1, 1) if kind[0] == "f" else generator.randrange(2) for _ in range(count)]
    if first is not None:
        values[0] = float(first) if kind[0] == "f" else int(first)
    header = repr({"descr": "<" + kind, "fortran_order": False, "shape": tuple(shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{count}{CODES[kind]}", *values)


arrays, firsts, arguments = {}, {}, sys.argv[2:]
stored = "--stored" in arguments
arguments = [a for a in arguments if a != "--stored"]
while "--set" in arguments:
    at = arguments.index("--set")
    name, value = arguments[at + 1].split("=")
    firsts[name] = value
    del arguments[at : at + 2]
for argument in arguments:
    name, description = argument.split("=")
    kind, shape, seed = description.split(":")
    arrays[name] = npy(kind, [int(n) for n in shape.split("x")], seed, firsts.get(name))
if sys.argv[1].endswith("/"):
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, data in arrays.items():
        open(os.path.join(sys.argv[1], name + ".npy"), "wb").write(data)
else:
    with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as file:
                file.write(data)
