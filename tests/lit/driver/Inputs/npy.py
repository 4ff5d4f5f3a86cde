"""npy.py FILE TYPE SHAPE [VALUE…]: writes an array, as `npy.py x.npy f4 2x3 1 2 3 4 5 6`; without values, zeros. `npy.py FILE` prints one."""
import ast
import struct
import sys

CODES = {"f4": "f", "f8": "d", "i8": "q"}


def write(path, kind, shape, values):
    extents = tuple(int(n) for n in shape.split("x"))
    count = 1
    for n in extents:
        count *= n
    numbers = [float(v) if kind[0] == "f" else int(v) for v in values] or [0] * count
    header = repr({"descr": "<" + kind, "fortran_order": False, "shape": extents})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(struct.pack(f"<{count}{CODES[kind]}", *numbers))


def show(path):
    data = open(path, "rb").read()
    size = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10 : 10 + size].decode())
    code = CODES[header["descr"].lstrip("<|")]
    print(header["shape"], *(f"{v:g}" for (v,) in struct.iter_unpack("<" + code, data[10 + size :])))


if len(sys.argv) == 2:
    show(sys.argv[1])
else:
    write(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
