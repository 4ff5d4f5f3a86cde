"""onnx_case.py DIR: an ONNX test case, y = relu(x) over two floats, written without the ONNX library.

DIR/model.onnx, DIR/test_data_set_0/{input,output}_0.pb; `--output A B` gives other expected values, `--no-output` none.
"""
import pathlib
import struct
import sys


def field(number, value):
    """A protobuf field: an integer, or bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def value_info(name):
    shape = field(1, field(1, 2))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def tensor(values):
    return field(1, 2) + field(2, 1) + field(9, struct.pack("<2f", *values))


node = field(1, b"x") + field(2, b"y") + field(3, b"rectify") + field(4, b"Relu")
graph = field(1, node) + field(2, b"g") + field(11, value_info(b"x")) + field(12, value_info(b"y"))
model = field(1, 9) + field(7, graph) + field(8, field(1, b"") + field(2, 18))

folder = pathlib.Path(sys.argv[1])
data = folder / "test_data_set_0"
data.mkdir(parents=True, exist_ok=True)
(folder / "model.onnx").write_bytes(model)
(data / "input_0.pb").write_bytes(tensor([-1, 2]))
if "--no-output" not in sys.argv:
    expected = sys.argv[sys.argv.index("--output") + 1 :] if "--output" in sys.argv else ["0", "2"]
    (data / "output_0.pb").write_bytes(tensor([float(v) for v in expected]))
