#!/usr/bin/env python3
"""Does bad input get a clear error and exit status 1, and never a crash, a hang or a wrong answer?

Each case runs a program on input that is damaged, hostile or does not fit, and looks at how it ends: exit status 1 within a minute,
one message on standard error that says what is wrong, and nothing left behind. A case is a function whose name begins with `test`;
it makes its files in a folder of its own.

    bad_input.py [NAME…] [--bin FOLDER]

One line a case that fails; the last line says `N passed, N failed, N skipped`. Exit status: 0 when nothing failed, 1 when something
did, 77 when nothing could be run.
"""

import argparse
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper
except ImportError as missing:
    print(f"skipped: {missing}; run this with the Python of ./dev setup ($JINX_CACHE/python/bin/python)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lit" / "driver" / "Inputs"))
import gguf_file  # the writer of small files

CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")
MLP = ROOT / "docs" / "spec" / "mlp.mlir"
BIN = ROOT / "build" / "dev" / "bin"


class Skip(Exception):
    pass


# ---- running -----------------------------------------------------------------------------------------------------------------------


def run(program, *arguments, **options):
    return subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=60, **options)


def expect_error(done, *parts):
    """Exit 1 and a message with these parts."""
    message = done.stderr.strip()
    assert done.returncode == 1, f"exit {done.returncode}, expected 1: {message[-400:] or done.stdout[-400:]}"
    assert message.startswith("error: "), f"no error message: {message[:400]}"
    for part in parts:
        assert part in message, f"the message lacks {part!r}: {message[:600]}"


def expect_success(done):
    assert done.returncode == 0, f"exit {done.returncode}, expected 0: {done.stderr[-400:]}"
    return done


def compiles(model, plan, *options):
    return expect_success(run("jinx", "compile", model, "-o", plan, *options))


def outputs(folder, program, model, *options):
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    expect_success(run(program, "run", model, "--output-dir", out, *options))
    return {file.name: np.load(file) for file in sorted(out.glob("*.npy"))}


# ---- models ------------------------------------------------------------------------------------------------------------------------


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, initializers=(), opset=18, extra=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*e) for e in extra)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def add_model():
    """y = relu(x + w): small, with every part that a model has."""
    w = helper.make_tensor("w", TensorProto.FLOAT, [3], [1, -2, 3])
    nodes = [helper.make_node("Add", ["x", "w"], ["s"], "sum"), helper.make_node("Relu", ["s"], ["y"], "rectify")]
    return model(nodes, [value("x", ["n", 3])], [value("y", ["n", 3])], [w])


def write(path, proto):
    path.write_bytes(proto.SerializeToString())
    return path


def external_model(path, location, offset=None, length=None, size=3):
    w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[size], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", offset), ("length", length)):
        if text is not None:
            w.external_data.add(key=key, value=str(text))
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [size])], [value("y", [size])])
    proto.graph.initializer.append(w)
    return write(path, proto)


# ---- damaged files -----------------------------------------------------------------------------------------------------------------


def cuts(size, count=40):
    return sorted({0, 1, 3, 4, 7, 8, 63, 64, 65, *(size * i // count for i in range(count)), size - 1} & set(range(size)))


def test_truncated_plans(folder):
    plan, cut = folder / "m.jxp", folder / "cut.jxp"
    compiles(MLP, plan, "--isa", "x86-64")
    whole = plan.read_bytes()
    for size in cuts(len(whole)):
        cut.write_bytes(whole[:size])
        expect_error(run("jinx-rt", "run", cut, "--random-inputs", "1"), "cut.jxp")
    expect_error(run("jinx", "inspect", cut), "cut.jxp", "bytes, expected")


def test_flipped_plans_fail_or_answer_alike(folder):
    """A flipped bit is found by a checksum; the few bytes between segments mean nothing."""
    plan, flipped = folder / "m.jxp", folder / "flipped.jxp"
    compiles(MLP, plan, "--isa", "x86-64")
    whole, draw, refused = plan.read_bytes(), random.Random(1), 0
    expected = outputs(folder, "jinx-rt", plan, "--random-inputs", "1")["y.npy"]
    for _ in range(60):
        bit = draw.randrange(len(whole) * 8)
        flipped.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        done = run("jinx-rt", "run", flipped, "--random-inputs", "1")
        if done.returncode:
            expect_error(done, "flipped.jxp")
            refused += 1
        else:
            assert np.array_equal(outputs(folder, "jinx-rt", flipped, "--random-inputs", "1")["y.npy"], expected)
    assert refused >= 50, f"only {refused} of 60 were found"


def test_damaged_samples_fail_or_calibrate_alike(folder):
    """A checksum finds a changed number; what a reader of zip archives does not look at may change."""
    layers = ROOT / "tests" / "lit" / "driver" / "Inputs" / "layers.mlir"
    whole, damaged, out, draw, refused = folder / "whole.npz", folder / "damaged.npz", folder / "q.mlirbc", random.Random(1), 0
    values = np.random.default_rng(1).standard_normal
    np.savez_compressed(whole, x=values((2, 3, 16)).astype("f4"), v=values((2, 8, 8)).astype("f4"))
    quantize = lambda data: run("jinx", "quantize", layers, "--scheme", "int8", "--min-weights", "0", "--calibrate", data, "-o", out)
    expect_success(quantize(whole))
    expected, archive = out.read_bytes(), whole.read_bytes()
    for size in cuts(len(archive), 12):
        damaged.write_bytes(archive[:size])
        expect_error(quantize(damaged), "damaged.npz")
    for _ in range(60):
        # Half of them in the directory at the end, where sizes and places are.
        byte = draw.randrange(len(archive)) if draw.randrange(2) else len(archive) - 1 - draw.randrange(140)
        damaged.write_bytes(archive[:byte] + bytes([draw.randrange(256)]) + archive[byte + 1 :])
        done = quantize(damaged)
        refused += done.returncode != 0
        if done.returncode:
            expect_error(done, "damaged.npz")
        else:
            assert out.read_bytes() == expected, f"byte {byte}"
    assert refused >= 25, f"only {refused} of 60 were found"


def test_truncated_onnx(folder):
    whole, cut = add_model().SerializeToString(), folder / "cut.onnx"
    for size in range(len(whole)):
        if size % 4 == 0 or size < 8:
            cut.write_bytes(whole[:size])
            expect_error(run("jinx", "compile", cut, "-o", folder / "x.jxp"), "cut.onnx")
    assert not (folder / "x.jxp").exists()


def test_flipped_onnx(folder):
    """Some flips make another model; none may end otherwise than in a plan or an error."""
    whole, flipped, draw = add_model().SerializeToString(), folder / "flipped.onnx", random.Random(2)
    refused = 0
    for _ in range(60):
        bit = draw.randrange(len(whole) * 8)
        flipped.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        done = run("jinx", "compile", flipped, "-o", folder / "x.jxp")
        assert done.returncode in (0, 1), f"bit {bit}: exit {done.returncode}: {done.stderr[-300:]}"
        refused += done.returncode
    assert refused >= 10, f"only {refused} of 60 were refused"


def test_damaged_language_models(folder):
    """A GGUF file that is cut, or lies about a size: an error. Another weight is another model."""
    whole, path, draw, refused = gguf_file.file(gguf_file.entries(), gguf_file.tensors()), folder / "cut.gguf", random.Random(4), 0
    for size in cuts(len(whole), 12):
        if size >= 4:  # less has no name of its format
            path.write_bytes(whole[:size])
            expect_error(run("jinx", "compile", path, "-o", folder / "x.jxp"), "cut.gguf")
    for _ in range(80):
        at = draw.randrange(whole.index(b"blk.0.ffn_down.weight") + 60)  # what is in front of the weights
        path.write_bytes(whole[:at] + bytes([draw.randrange(256)]) + whole[at + 1 :])
        done = run("jinx", "compile", path, "-o", folder / "x.jxp")
        assert done.returncode in (0, 1), f"byte {at}: exit {done.returncode}: {done.stderr[-300:]}"
        refused += done.returncode
    assert refused >= 40, f"only {refused} of 80 were refused"


def test_damaged_modules(folder):
    text, path = MLP.read_text(), folder / "cut.mlir"
    for size in cuts(len(text) - 3):
        path.write_text(text[:size])
        expect_error(run("jinx", "compile", path, "-o", folder / "x.jxp"), "cut.mlir")
    code, draw = folder / "m.mlirbc", random.Random(3)
    expect_success(run("jinx-opt", MLP, "--emit-bytecode", "-o", code))
    whole = code.read_bytes()
    compiles(code, folder / "whole.jxp")
    for _ in range(60):
        at = draw.randrange(len(whole))
        code.write_bytes(whole[:at] + bytes([draw.randrange(256)]) + whole[at + 1 :])
        done = run("jinx", "compile", code, "-o", folder / "x.jxp")
        assert done.returncode in (0, 1), f"byte {at}: exit {done.returncode}: {done.stderr[-300:]}"


def test_empty_files(folder):
    for name, message in (("e.onnx", "no graph"), ("e.mlir", "no function @main"), ("e.jxp", "no graph")):
        (folder / name).touch()
        expect_error(run("jinx", "run", folder / name), name, message)
    expect_error(run("jinx-rt", "run", folder / "e.jxp"), "is no plan")


def test_directories_and_missing_files(folder):
    for name in ("d.onnx", "d.mlir", "d.jxp"):
        (folder / name).mkdir()
        expect_error(run("jinx", "compile", folder / name, "-o", folder / "x.jxp"), name)
    expect_error(run("jinx-rt", "run", folder / "d.jxp"), "d.jxp is a directory")
    plan = folder / "m.jxp"
    compiles(MLP, plan)
    expect_error(run("jinx-rt", "run", plan, "--input", f"x={folder / 'd.jxp'}"), 'input "x"', "not a regular file")
    expect_error(run("jinx", "compile", MLP, "-o", folder / "d.jxp"), "it is a folder")
    for program, command in (("jinx", "run"), ("jinx", "inspect"), ("jinx-rt", "run"), ("jinx-rt", "bench")):
        expect_error(run(program, command, folder / "none.jxp"), "none.jxp", "No such file or directory")
    expect_error(run("jinx", "compile", MLP, "-o", folder / "none" / "x.jxp"), "there is no folder")


def test_unreadable_files(folder):
    plan, copy = folder / "m.jxp", folder / "m.onnx"
    compiles(MLP, plan)
    write(copy, add_model())
    for path in (plan, copy):
        path.chmod(0)
    options = {}
    if os.geteuid() == 0:  # whom no mode stops
        folder.chmod(0o777)
        options = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        run("jinx-rt", "--version", **options)
    except PermissionError as error:
        raise Skip(f"the programs cannot be run as another user: {error}")
    expect_error(run("jinx-rt", "run", plan, **options), "m.jxp: Permission denied")
    expect_error(run("jinx", "compile", copy, "-o", folder / "x.jxp", **options), "m.onnx: Permission denied")


# ---- hostile models ----------------------------------------------------------------------------------------------------------------


def test_unsupported_operators_are_listed_at_once(folder):
    nodes = [
        helper.make_node("Mystery", ["x"], ["a"], "first", domain="my.domain"),
        helper.make_node("Relu", ["a"], ["b"], "between"),
        helper.make_node("Enigma", ["b"], ["c"], "second", domain="my.domain"),
        helper.make_node("Mystery", ["x"], ["y"], "third", domain="my.domain"),
    ]
    proto = model(nodes, [value("x", [3])], [value("y", [3])], extra=[("my.domain", 1)])
    done = run("jinx", "compile", write(folder / "u.onnx", proto), "-o", folder / "x.jxp")
    expect_error(done, "my.domain.Mystery", "my.domain.Enigma", "first", "second", "third")
    assert "between" not in done.stderr, "a node is blamed that only reads what could not be made"


def test_hostile_models(folder):
    huge = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1 << 62, 1 << 62])], [value("y", [1 << 62, 1 << 62])])
    cycle = model([helper.make_node("Relu", ["y"], ["x2"]), helper.make_node("Relu", ["x2"], ["y"])], [value("x", [3])], [value("y", [3])])
    twice = model([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])], [value("x", [3])], [value("y", [3])])
    short = add_model()
    short.graph.initializer[0].ClearField("float_data")
    negative = add_model()
    negative.graph.initializer[0].dims[0] = -3
    shapes = model([helper.make_node("Add", ["x", "z"], ["y"], "sum")], [value("x", [3]), value("z", [4])], [value("y", None)])
    omitted = model([helper.make_node("Conv", ["x", ""], ["y"], "windows")], [value("x", [1, 1, 4, 4])], [value("y", None)])
    deep = add_model()
    for i in range(3000):  # an attribute within an attribute would be refused by protobuf; a long chain must only be long
        deep.graph.node.append(helper.make_node("Relu", [f"c{i - 1}" if i else "s"], [f"c{i}"]))
    cases = [
        (huge, "impossible shape", []), (cycle, "no earlier node", []), (twice, "second time", []), (short, "'w'", []), (negative, "'w'", []),
        (shapes, "sum", []), (omitted, "windows", ["input 1"]),
    ]  # fmt: skip
    for i, (proto, part, more) in enumerate(cases):
        done = run("jinx", "compile", write(folder / f"h{i}.onnx", proto), "-o", folder / "x.jxp")
        expect_error(done, f"h{i}.onnx", part, *more)
    compiles(write(folder / "deep.onnx", deep), folder / "deep.jxp")


def test_modules_that_are_no_models(folder):
    def module(body, attributes=""):
        return f"module{attributes} {{ {body} }}"

    identity = 'func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> { return %x : tensor<3xf32> }'
    group = """func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
      %y = jinx.group "rows"(%x) : (tensor<3xf32>) -> tensor<3xf32> {
      ^bb0(%a: tensor<3xf32>):
        %e = jinx.exp %a : tensor<3xf32> -> tensor<3xf32>
        jinx.yield %e : tensor<3xf32>
      }
      return %y : tensor<3xf32> }"""
    cases = [
        (module("func.func @other() { return }"), "no function @main"),
        (module("func.func private @main()"), "no body for @main"),
        (module("func.func @main() { cf.br ^a ^a: return }", ""), "2 blocks"),
        (module(group), "'jinx.group' is made by passes"),
        (module('func.func @main(%x: tensor<3x18xui8>) -> tensor<3x32xf32> { %y = jinx.decode_blocks %x "Q4_0" : tensor<3x18xui8> -> tensor<3x32xf32> return %y : tensor<3x32xf32> }'), "blocks that are no constant"),
        (module("func.func @main() { %c = arith.constant 1 : i32 return }"), "'arith.constant' is no operator of a model"),
        (module(identity.replace("f32", "i128")), "an element type that Jinx does not know"),
        (module(identity.replace("tensor<3xf32>", "i32")), "i32 is no tensor"),
        (module(identity.replace("3xf32", "?xf32")), "without a formula"),
        (module(identity.replace("3xf32", "4611686018427387904x8xf32")), "too many elements"),
        (module(identity, " attributes {jinx.symbols = [{min = 1}]}"), "entry 0 has no name"),
        (module(identity, ' attributes {jinx.symbols = [{name = "n", max = "x"}]}'), "max of 'n' is no number"),
        (module(identity, " attributes {jinx.symbols = 3}"), "jinx.symbols is no list"),
        (module("func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> { return %z : tensor<3xf32> }"), "undeclared SSA value"),
        (module("func.func @main() attributes {a = array<index : 1>} { return }"), "its parser breaks down"),
        (module(identity) * 2 + "(" * 100000, "m.mlir"),
    ]  # fmt: skip
    path = folder / "m.mlir"
    for text, part in cases:
        path.write_text(text)
        expect_error(run("jinx", "compile", path, "-o", folder / "x.jxp"), "m.mlir", part)


def test_external_data(folder):
    inside, outside = folder / "in", folder / "secret.bin"
    inside.mkdir()
    np.arange(3, dtype="f4").tofile(inside / "w.bin")
    np.arange(3, dtype="f4").tofile(outside)
    (inside / "link.bin").symlink_to(outside)
    compiles(external_model(inside / "good.onnx", "w.bin"), folder / "good.jxp")
    cases = [
        ("none.bin", None, None, ["none.bin"]), ("../secret.bin", None, None, ["../secret.bin"]), (str(outside), None, None, ["secret.bin"]),
        ("link.bin", None, None, ["link.bin"]), ("w.bin", 4, None, ["12 bytes at 4"]), ("w.bin", -4, 12, ["-4"]),
        ("w.bin", "x", None, ["offset is 'x'"]), ("w.bin", 0, 1 << 40, [str(1 << 40)]), ("", None, None, ["'w'"]), (".", None, None, ["'w'"]),
    ]  # fmt: skip
    for i, (location, offset, length, parts) in enumerate(cases):
        path = external_model(inside / f"e{i}.onnx", location, offset, length)
        expect_error(run("jinx", "compile", path, "-o", folder / "x.jxp"), f"e{i}.onnx", *parts)
    assert not (folder / "x.jxp").exists()


# ---- inputs and sizes --------------------------------------------------------------------------------------------------------------


def test_inputs_that_do_not_fit(folder):
    plan = folder / "m.jxp"
    compiles(MLP, plan)
    arrays = {
        "f64": (np.zeros((2, 2)), "got f64[2x2], expected f32 [batch, 2]"),
        "rank": (np.zeros(2, "f4"), "got f32[2], expected f32 [batch, 2]"),
        "wide": (np.zeros((2, 3), "f4"), "got f32[2x3], expected f32 [batch, 2]"),
        "many": (np.zeros((5000, 2), "f4"), "batch must be at most 4096"),
        "zero": (np.zeros((0, 2), "f4"), "batch must be at least 1"),
    }
    for name, (array, message) in arrays.items():
        np.save(folder / f"{name}.npy", array)
        for program in ("jinx", "jinx-rt"):
            expect_error(run(program, "run", plan, "--input", f"x={folder / name}.npy"), 'input "x"', message)
    np.save(folder / "good.npy", np.zeros((2, 2), "f4"))
    good = (folder / "good.npy").read_bytes()
    for name, data in (("cut", good[:-4]), ("header", good[:9]), ("noise", bytes(range(200))), ("empty", b"")):
        (folder / f"{name}.npy").write_bytes(data)
        expect_error(run("jinx-rt", "run", plan, "--input", f"x={folder / name}.npy"), 'input "x"', f"{name}.npy")
    expect_error(run("jinx-rt", "run", plan), 'missing inputs: "x" (f32 [batch, 2])')
    expect_error(run("jinx-rt", "run", plan, "--input", f"z={folder}/good.npy"), 'unknown input "z", there are "x"')
    expect_error(run("jinx-rt", "run", plan, "--input", f"x={folder}/good.npy", "--input", f"x={folder}/good.npy"), "given twice")
    expect_error(run("jinx-rt", "run", plan, "--input", f"x={folder}/none.npy"), 'input "x"', "No such file")


def test_all_missing_inputs_are_named(folder):
    proto = model([helper.make_node("Add", ["x", "z"], ["y"])], [value("x", ["n"]), value("z", ["n"], TensorProto.FLOAT)], [value("y", ["n"])])
    path = write(folder / "two.onnx", proto)
    expect_error(run("jinx", "run", path), '"x" (f32 [n])', '"z" (f32 [n])')
    np.save(folder / "3.npy", np.zeros(3, "f4"))
    np.save(folder / "4.npy", np.zeros(4, "f4"))
    done = run("jinx", "run", path, "--input", f"x={folder}/3.npy", "--input", f"z={folder}/4.npy")
    expect_error(done, 'input "z"', "4", "3")


def test_sizes_that_a_model_takes_to_be_equal(folder):
    """A concatenation needs n = m; a TopK whose K is not checked would read beyond its axis."""
    proto = model([helper.make_node("Concat", ["x", "z"], ["y"], "join", axis=1)], [value("x", ["n", 3]), value("z", ["m", 5])], [value("y", None)])
    path, plan = write(folder / "join.onnx", proto), folder / "join.jxp"
    compiles(path, plan)
    for rows in (2, 3, 4):
        np.save(folder / f"{rows}x3.npy", np.ones((rows, 3), "f4"))
        np.save(folder / f"{rows}x5.npy", np.ones((rows, 5), "f4"))
    for program, source in (("jinx", path), ("jinx", plan), ("jinx-rt", plan)):
        expect_success(run(program, "run", source, "--input", f"x={folder}/3x3.npy", "--input", f"z={folder}/3x5.npy"))
        for rows in (2, 4):
            done = run(program, "run", source, "--input", f"x={folder}/{rows}x3.npy", "--input", f"z={folder}/3x5.npy")
            expect_error(done, "join: sizes must be equal", f"= {rows}", "= 3")
    k = helper.make_tensor("k", TensorProto.INT64, [1], [3])
    proto = model([helper.make_node("TopK", ["x", "k"], ["y", "i"], "best", axis=0)], [value("x", ["n", 3])], [value("y", None), value("i", None, TensorProto.INT64)], [k])
    path, plan = write(folder / "best.onnx", proto), folder / "best.jxp"
    compiles(path, plan)
    for program, source in (("jinx", path), ("jinx", plan), ("jinx-rt", plan)):
        expect_success(run(program, "run", source, "--input", f"x={folder}/4x3.npy"))
        expect_success(run(program, "run", source, "--input", f"x={folder}/3x3.npy"))
        expect_error(run(program, "run", source, "--input", f"x={folder}/2x3.npy"), "best: sizes must be equal", "= 3", "= 2")


def test_unknown_and_conflicting_sizes(folder):
    onnx_path, plan = write(folder / "a.onnx", add_model()), folder / "a.jxp"
    compiles(onnx_path, plan)
    for path in (onnx_path, MLP):
        expect_error(run("jinx", "compile", path, "-o", folder / "x.jxp", "--dim", "nope=3"), "no dimension 'nope'", "n" if path == onnx_path else "batch")
    for path in (onnx_path, plan):
        expect_error(run("jinx", "run", path, "--random-inputs", "1", "--dim", "n=2", "--dim", "n=3"), "'n' is to be 2 and 3")
    expect_error(run("jinx", "compile", MLP, "-o", folder / "x.jxp", "--dim", "batch=2", "--dim", "batch=1..4"), "'batch' is to be 2 and 1..4")
    expect_error(run("jinx", "compile", MLP, "-o", folder / "x.jxp", "--dim", "x:7=2"), "input 'x' has 2 dimensions")
    expect_error(run("jinx", "compile", MLP, "-o", folder / "x.jxp", "--dim", "x:1=3"), "is 2 and cannot be changed")
    expect_error(run("jinx-rt", "run", plan, "--random-inputs", "1", "--dim", "nope=3"), 'no dimension "nope", it has n')
    expect_error(run("jinx-rt", "run", plan, "--random-inputs", "1", "--dim", "x:1=4"), 'of input "x" is 3')


def test_a_fixed_size_is_kept(folder):
    for model_path, name in ((MLP, "batch"), (write(folder / "a.onnx", add_model()), "n")):
        plan = folder / "fixed.jxp"
        compiles(model_path, plan, "--dim", f"{name}=3")
        width = 2 if model_path == MLP else 3
        np.save(folder / "3.npy", np.zeros((3, width), "f4"))
        np.save(folder / "4.npy", np.zeros((4, width), "f4"))
        expect_success(run("jinx-rt", "run", plan, "--input", f"x={folder}/3.npy"))
        expect_error(run("jinx-rt", "run", plan, "--input", f"x={folder}/4.npy"), 'input "x"', "4", "3")


# ---- full disks --------------------------------------------------------------------------------------------------------------------


def limit_files(limit):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_a_full_disk_leaves_the_old_plan(folder):
    plan, size = folder / "m.jxp", 1 << 20
    w = onnx.numpy_helper.from_array(np.arange(size, dtype="f4"), "w")
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [size])], [value("y", [size])], [w])
    path = write(folder / "m.onnx", proto)
    compiles(path, plan)
    old = plan.read_bytes()
    for limit in (1 << 20, 3 << 20, len(old) - 1):  # code is linked in files that are smaller
        done = run("jinx", "compile", path, "-o", plan, "--no-fusion", preexec_fn=limit_files(limit))
        expect_error(done, "m.jxp", "File too large")
        assert plan.read_bytes() == old, "the old plan was changed"
        assert sorted(os.listdir(folder)) == ["m.jxp", "m.onnx"], f"left behind: {os.listdir(folder)}"


def test_full_devices(folder):
    plan = folder / "m.jxp"
    compiles(MLP, plan)
    full = "No space left on device"
    expect_error(run("jinx", "compile", MLP, "-o", "/dev/full"), full)
    expect_error(run("jinx", "compile", MLP, "--emit", "graph", "-o", "/dev/full"), full)
    expect_error(run("jinx", "compile", MLP, "-o", folder / "x.jxp", "--remarks", "/dev/full"), full)
    expect_error(run("jinx", "compile", MLP, "-o", folder / "x.jxp", "--report", "/dev/full"), full)
    expect_error(run("jinx-rt", "run", plan, "--random-inputs", "1", "--trace", "/dev/full"), full)
    expect_error(run("jinx-rt", "run", plan, "--random-inputs", "1", "--output-dir", "/dev/full"), "/dev/full")
    wide = folder / "wide.jxp"
    compiles(write(folder / "a.onnx", add_model()), wide)
    options = ["--random-inputs", "1", "--dim", "n=200000", "--output-dir", folder / "out"]
    expect_error(run("jinx-rt", "run", wide, *options, preexec_fn=limit_files(1 << 20)), "y.npy", "File too large")
    for arguments in (("inspect", plan), ("run", plan, "--random-inputs", "1"), ("compile", MLP, "--emit", "graph")):
        with open("/dev/full", "w") as device:
            done = subprocess.run([BIN / "jinx", *arguments], stdout=device, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 1 and "cannot write" in done.stderr, f"{arguments[0]}: exit {done.returncode}: {done.stderr}"


# ---- instruction sets --------------------------------------------------------------------------------------------------------------


def test_unknown_and_missing_instruction_sets(folder):
    path, plan = write(folder / "a.onnx", add_model()), folder / "a.jxp"
    expect_error(run("jinx", "compile", path, "-o", plan, "--isa", "x86-64-v9"), "'x86-64-v9'", "expected x86-64")
    compiles(path, plan, "--isa", "x86-64-v4")
    expect_error(run("jinx-rt", "run", plan, "--isa", "x86-64", "--random-inputs", "1"), "code for x86-64-v4", "limited to x86-64")
    expect_error(run("jinx-rt", "run", plan, "--isa", "sparc", "--random-inputs", "1"), "'sparc'")


def test_the_baseline_gives_the_same_answers(folder):
    """A processor without AVX: forced when running a plan that carries both, and when compiling."""
    for name, sizes in (("magika", []), ("minilm-l3", ["--dim", "batch_size=2", "--dim", "sequence_length=7"])):
        path = CACHE / "models" / f"{name}.onnx"
        if not path.exists():
            raise Skip(f"{path.name} is not there: run ./dev models")
        plan, baseline = folder / f"{name}.jxp", folder / f"{name}.baseline.jxp"
        compiles(path, plan)
        compiles(path, baseline, "--isa", "x86-64")
        options = ["--random-inputs", "1", *sizes]
        expected = outputs(folder, "jinx-rt", plan, *options)
        for got in (outputs(folder, "jinx-rt", plan, "--isa", "x86-64", *options), outputs(folder, "jinx-rt", baseline, *options)):
            assert got.keys() == expected.keys() and got
            for key in got:
                np.testing.assert_allclose(got[key], expected[key], atol=1e-4, rtol=1e-3)


# ---- all of them -------------------------------------------------------------------------------------------------------------------


def main():
    global BIN
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases; none: all")
    parser.add_argument("--bin", type=pathlib.Path, default=BIN)
    options = parser.parse_args()
    BIN = options.bin.resolve()
    passed = failed = skipped = 0
    for name, case in list(globals().items()):
        if not name.startswith("test_") or (options.names and name not in options.names):
            continue
        with tempfile.TemporaryDirectory(prefix="jinx-bad-input-") as folder:
            try:
                case(pathlib.Path(folder))
                passed += 1
            except Skip as reason:
                print(f"skipped {name}: {reason}")
                skipped += 1
            except Exception as error:  # an assertion, a time-out, or a fault of the case
                print(f"FAIL {name}: {error}" if isinstance(error, AssertionError) else f"FAIL {name}: {traceback.format_exc()}")
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed + skipped else 77 if not passed else 0)


if __name__ == "__main__":
    main()
