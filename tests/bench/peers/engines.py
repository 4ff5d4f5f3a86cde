"""How does each engine run a model with the least overhead that it offers from Python?

An engine is loaded by its constructor; `bind` sets inputs and outputs once; `run` is then the call that is timed. All
get the same file, the same arrays and the same number of threads, and take sizes from the inputs, as the file declares
them. With `shapes`, sizes are fixed beforehand: OpenVINO's model is reshaped, and Jinx's plan was compiled with --dim.
"""

import json
import os
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "models"))

Arrays = dict[str, np.ndarray]


class Jinx:
    """The plan through the C interface, in this process; outputs written into memory bound beforehand."""

    @staticmethod
    def preload():
        import jinx_capi

        return jinx_capi.Library()

    def __init__(self, model: str, plan: str, threads: int, shapes: dict | None = None):
        import jinx_capi

        self.session = jinx_capi.Session(self.preload(), plan, threads=threads)
        self.names = [port.name for port in self.session.outputs]

    def bind(self, inputs: Arrays) -> None:
        order = [inputs[port.name] for port in self.session.inputs]
        first = self.session.call(order)
        first.run()
        self.room = [aligned_like(first.output(index)) for index in range(len(self.names))]
        call = self.session.call(order, self.room)
        self.run = call.run

    def outputs(self) -> Arrays:
        return dict(zip(self.names, self.room))

    def facts(self) -> dict:
        return {"device": self.session.device, "isa": self.session.isa, "statistics": self.session.statistics()}


class Unfused(Jinx):
    """The plan of the same name in the folder `unfused` beside the plan: compiled with --no-fusion."""

    def __init__(self, model: str, plan: str, threads: int, shapes: dict | None = None):
        fused = pathlib.Path(plan)
        super().__init__(model, str(fused.parent / "unfused" / fused.name), threads, shapes)


class Onnxruntime:
    """CPU provider, all graph optimisations, intra-op threads as given, inputs and outputs bound."""

    @staticmethod
    def preload():
        import onnxruntime

        return onnxruntime

    def __init__(self, model: str, plan: str, threads: int, shapes: dict | None = None):
        onnxruntime = self.preload()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if threads > 1:
            # Its threads spin for up to 0.3 s after a call, on the processors that the next engine needs. A limit of
            # 1 ms is longer than the gap between its own calls and leaves its times as they are (measured).
            options.add_session_config_entry("session.intra_op.spin_duration_us", "1000")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]

    def bind(self, inputs: Arrays) -> None:
        wrap = self.preload().OrtValue.ortvalue_from_numpy
        results = self.session.run(self.names, inputs)
        binding = self.session.io_binding()
        self.values = [wrap(array) for array in inputs.values()] + [wrap(np.zeros_like(array)) for array in results]
        for name, value in zip(inputs, self.values):
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(self.names, self.values[len(inputs) :]):
            binding.bind_ortvalue_output(name, value)
        self.binding = binding
        self.run = lambda: self.session.run_with_iobinding(binding)

    def outputs(self) -> Arrays:
        return dict(zip(self.names, self.binding.copy_outputs_to_cpu()))

    def facts(self) -> dict:
        return {}


class Openvino:
    """CPU plugin, latency hint, f32, one stream, inputs set once."""

    @staticmethod
    def preload():
        import openvino

        openvino.Core().available_devices
        return openvino

    def __init__(self, model: str, plan: str, threads: int, shapes: dict | None = None):
        core = self.preload().Core()
        read = core.read_model(model)
        if shapes:
            read.reshape({name: list(shape) for name, shape in shapes.items()})
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.model = core.compile_model(read, "CPU", settings)

    def bind(self, inputs: Arrays) -> None:
        self.request = self.model.create_infer_request()
        self.tensors = {name: self.preload().Tensor(array, shared_memory=True) for name, array in inputs.items()}
        for name, tensor in self.tensors.items():
            self.request.set_tensor(name, tensor)
        self.run = self.request.infer

    def outputs(self) -> Arrays:
        return {
            name: np.array(self.request.get_output_tensor(index).data)
            for index, output in enumerate(self.model.outputs)
            for name in output.get_names()
        }

    def facts(self) -> dict:
        return {}


ENGINES = {"jinx": Jinx, "unfused": Unfused, "onnxruntime": Onnxruntime, "openvino": Openvino}


def aligned_like(array: np.ndarray) -> np.ndarray:
    """Room for the same elements, at a multiple of 64 bytes."""
    raw = np.zeros(array.nbytes + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)


def read_inputs(case: pathlib.Path) -> Arrays:
    """The inputs of a kept case of tests/models/oracle.py, each at a multiple of 64 bytes."""
    about = json.loads((case / "case.json").read_text())
    inputs = {}
    for name, entry in about["inputs"].items():
        array = np.load(case / "inputs" / entry["file"])
        inputs[name] = aligned_like(array)
        inputs[name][...] = array
    return inputs


def read_outputs(case: pathlib.Path) -> Arrays:
    about = json.loads((case / "case.json").read_text())
    return {name: np.load(case / "outputs" / entry["file"]) for name, entry in about["outputs"].items()}


def pin(processors: str) -> None:
    """`1` or `0,1`. Before any engine starts threads: they inherit it."""
    os.sched_setaffinity(0, [int(text) for text in processors.split(",")])
