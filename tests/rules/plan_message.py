"""What a plan file says, read without any code of ours: the message by protobuf's own reflection, sizes by Python's arithmetic.

    plan = read("m.jxp", "protoc")          # jinx.plan.Plan
    sizes = bind(plan, {"x": [3, 20]})      # {"batch": 3}
    evaluate("2*batch + 1", sizes)          # 7; None when it needs a size that only a step defines
"""

import pathlib
import re
import struct
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ROOT = pathlib.Path(__file__).resolve().parents[2]


def message_class(protoc):
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([protoc, f"--proto_path={ROOT}", f"--descriptor_set_out={file.name}", "runtime/plan/plan.proto"], check=True, cwd=ROOT)
        described = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(file.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for entry in described.file:
        pool.Add(entry)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("jinx.plan.Plan"))


def read(path, plan_class):
    """PlanFile.h tells the file's layout: 64 bytes of header, in it the message's size at 16, then the message."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"JINXPLAN", path
    (size,) = struct.unpack_from("<Q", data, 16)
    return plan_class.FromString(data[64 : 64 + size])


def evaluate(formula, sizes):
    """None when a size is not known."""
    text = re.sub(r"\bfloordiv\b", "//", re.sub(r"\bmod\b", "%", formula))
    names = set(re.findall(r"[A-Za-z_][\w.$]*", text)) - {"max", "min"}
    if not names <= set(sizes):
        return None
    named = re.sub(r"[A-Za-z_][\w.$]*", lambda m: m.group() if m.group() in ("max", "min") else f"S[{m.group()!r}]", text)
    return int(eval(named, {"__builtins__": {}, "S": sizes, "max": max, "min": min}))


def bind(plan, shapes):
    """The first dimension of an input that is exactly a symbol gives it its value."""
    symbols = {symbol.name for symbol in plan.symbols}
    sizes = {}
    for index in plan.inputs:
        value = plan.values[index]
        for text, extent in zip(value.dims, shapes[value.name]):
            if text in symbols:
                sizes.setdefault(text, extent)
    return sizes
