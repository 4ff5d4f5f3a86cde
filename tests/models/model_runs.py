"""How does a test run a model, whatever file it is? `.jxp` is a plan, run through libjinx.so; `.onnx` runs in onnxruntime.

    run = open_run(path, threads=2)
    outputs = run({"x": array})              # {name: array}
    compile_plan(jinx, "m.onnx", "m.jxp")    # RuntimeError with the program's last words
"""

import pathlib
import subprocess

import jinx_capi


def call(jinx: pathlib.Path, *arguments) -> str:
    done = subprocess.run([str(jinx), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        text = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"jinx {arguments[0]}: exit {done.returncode}: {' / '.join(text[-3:])[:600]}")
    return done.stdout


def has_command(jinx: pathlib.Path, name: str) -> bool:
    return f"\n  {name} " in call(jinx, "--help")


def compile_plan(jinx: pathlib.Path, model: pathlib.Path, plan: pathlib.Path, *flags: str) -> pathlib.Path:
    plan.parent.mkdir(parents=True, exist_ok=True)
    call(jinx, "compile", model, "-o", plan, *flags)
    return plan


def library_beside(jinx: pathlib.Path) -> pathlib.Path:
    """libjinx.so of the build that has this program."""
    return jinx.resolve().parents[1] / "lib" / "libjinx.so"


def open_plan(path: pathlib.Path, threads: int, library: pathlib.Path | None = None):
    return jinx_capi.Session(jinx_capi.Library(library), path, threads=threads).run


def open_bytes(model: bytes | str, threads: int):
    """A serialized ONNX model, or where it lies."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other tests run beside this one
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs)))


def open_onnx(path: pathlib.Path, threads: int):
    return open_bytes(str(path), threads)


def open_run(path: pathlib.Path, threads: int = 2, library: pathlib.Path | None = None):
    return open_onnx(path, threads) if path.suffix == ".onnx" else open_plan(path, threads, library)
