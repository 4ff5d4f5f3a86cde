"""How does Python run a plan? The C interface (runtime/jinx.h) through ctypes and numpy.

    library = Library()                              # build/dev/lib/libjinx.so, or $JINX_LIBRARY
    session = Session(library, "m.jxp", threads=2)
    outputs = session.run({"x": array})              # {name: array}
    call = session.call([array], [room])             # arrays bound by position, once …
    call.run()                                       # … then only the run: what a benchmark times
    DeviceCall(session, [("float32", (2, 3), address)], […]).enqueue(stream)    # memory and stream of the device

Needs numpy; bfloat16 and the 8-bit floats also ml_dtypes.
"""

import ctypes
import math
import os
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]

_OK, _INVALID_ARGUMENT, _NOT_FOUND, _UNIMPLEMENTED, _RESOURCE, _INTERNAL = range(6)
_CODES = ("ok", "invalid argument", "not found", "unimplemented", "resource", "internal")
_STRING = 14
_NUMPY_NAMES = {
    1: "float32", 2: "float64", 3: "float16", 4: "bfloat16", 5: "int8", 6: "int16", 7: "int32", 8: "int64",
    9: "uint8", 10: "uint16", 11: "uint32", 12: "uint64", 13: "bool", 15: "complex64", 16: "complex128",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "float8_e8m0fnu",
}  # fmt: skip
_NUMBERS = {name: number for number, name in _NUMPY_NAMES.items()}


class JinxError(Exception):
    """A status of the runtime that is not success."""

    def __init__(self, code: int, message: str):
        super().__init__(f"{_CODES[code]}: {message}")
        self.code = code


class _SessionOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("device", ctypes.c_char_p),
        ("threads", ctypes.c_int32),
        ("pin_threads", ctypes.c_int32),
        ("isa", ctypes.c_char_p),
    ]


class _Port(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("dtype", ctypes.c_int),
        ("rank", ctypes.c_int32),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
        ("sizes", ctypes.POINTER(ctypes.c_char_p)),
    ]


class _Statistics(ctypes.Structure):
    NAMES = (
        "constant_bytes", "arena_bytes", "largest_live_bytes", "planned_bytes", "activation_bytes", "scratch_bytes",
        "dynamic_peak_bytes", "dynamic_allocations", "bindings_made",
    )  # fmt: skip
    _fields_ = [("struct_size", ctypes.c_size_t)] + [(name, ctypes.c_int64) for name in NAMES]


class _StepTiming(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_char_p),
        ("kernel", ctypes.c_char_p),
        ("count", ctypes.c_int64),
        ("total_ms", ctypes.c_double),
        ("min_ms", ctypes.c_double),
        ("max_ms", ctypes.c_double),
    ]


_P, _S, _I = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32
_SHAPE = ctypes.POINTER(ctypes.c_int64)
_TEXTS = ctypes.POINTER(ctypes.c_char_p)
# Name: (result, arguments). A result of None is nothing; of _STATUS a status that becomes an exception.
_STATUS = object()
_FUNCTIONS = {
    "version": (ctypes.c_char_p, []),
    "dtype_bits": (_I, [ctypes.c_int]),
    "plan_open": (_STATUS, [ctypes.c_char_p, ctypes.POINTER(_P)]),
    "plan_destroy": (None, [_P]),
    "plan_model_name": (ctypes.c_char_p, [_P]),
    "plan_producer": (ctypes.c_char_p, [_P]),
    "plan_num_metadata": (_S, [_P]),
    "plan_metadata_key": (ctypes.c_char_p, [_P, _S]),
    "plan_metadata": (ctypes.c_char_p, [_P, ctypes.c_char_p]),
    "session_create": (_STATUS, [_P, ctypes.POINTER(_SessionOptions), ctypes.POINTER(_P)]),
    "session_destroy": (None, [_P]),
    "session_device": (ctypes.c_char_p, [_P]),
    "session_isa": (ctypes.c_char_p, [_P]),
    "session_num_inputs": (_S, [_P]),
    "session_num_outputs": (_S, [_P]),
    "session_input": (_STATUS, [_P, _S, ctypes.POINTER(_Port)]),
    "session_output": (_STATUS, [_P, _S, ctypes.POINTER(_Port)]),
    "session_statistics": (_STATUS, [_P, ctypes.POINTER(_Statistics)]),
    "call_create": (_STATUS, [_P, ctypes.POINTER(_P)]),
    "call_destroy": (None, [_P]),
    "call_set_input": (_STATUS, [_P, _S, ctypes.c_int, _SHAPE, _I, _P]),
    "call_set_input_strings": (_STATUS, [_P, _S, _SHAPE, _I, _TEXTS]),
    "call_set_output": (_STATUS, [_P, _S, ctypes.c_int, _SHAPE, _I, _P, _S]),
    "call_set_device_input": (_STATUS, [_P, _S, ctypes.c_int, _SHAPE, _I, _P]),
    "call_set_device_output": (_STATUS, [_P, _S, ctypes.c_int, _SHAPE, _I, _P, _S]),
    "call_enqueue": (_STATUS, [_P, _P]),
    "call_output_shape": (_STATUS, [_P, _S, _SHAPE, _I, ctypes.POINTER(_I)]),
    "call_run": (_STATUS, [_P, _P]),
    "call_output": (_STATUS, [_P, _S, ctypes.POINTER(_P)]),
    "tensor_dtype": (ctypes.c_int, [_P]),
    "tensor_rank": (_I, [_P]),
    "tensor_shape": (_SHAPE, [_P]),
    "tensor_num_elements": (ctypes.c_int64, [_P]),
    "tensor_size_bytes": (_S, [_P]),
    "tensor_data": (_P, [_P]),
    "tensor_string": (_P, [_P, ctypes.c_int64, ctypes.POINTER(_S)]),
    "trace_create": (_STATUS, [_P, _S, ctypes.POINTER(_P)]),
    "trace_destroy": (None, [_P]),
    "trace_num_timings": (_S, [_P]),
    "trace_timing": (_STATUS, [_P, _S, ctypes.POINTER(_StepTiming)]),
    "trace_write": (_STATUS, [_P, ctypes.c_char_p]),
}


class Library:
    """libjinx.so; its functions are attributes without their prefix: `library.plan_open(…)`."""

    def __init__(self, path: str | os.PathLike | None = None):
        path = path or os.environ.get("JINX_LIBRARY") or ROOT / "build" / "dev" / "lib" / "libjinx.so"
        self.path = pathlib.Path(path)
        self._lib = ctypes.CDLL(str(path))
        self._lib.jinx_status_code.argtypes = self._lib.jinx_status_message.argtypes = [_P]
        self._lib.jinx_status_destroy.argtypes = [_P]
        self._lib.jinx_status_destroy.restype = None
        self._lib.jinx_status_message.restype = ctypes.c_char_p
        for name, (result, arguments) in _FUNCTIONS.items():
            setattr(self, name, self._bind(name, result, arguments))

    def _bind(self, name: str, result, arguments: list):
        function = getattr(self._lib, f"jinx_{name}")
        function.argtypes = arguments
        function.restype = _P if result is _STATUS else result
        if result is not _STATUS:
            return function

        def checked(*values):
            status = function(*values)
            if status is not None:
                self._raise(status)

        return checked

    def _raise(self, status) -> None:
        code = self._lib.jinx_status_code(status)
        message = self._lib.jinx_status_message(status).decode()
        self._lib.jinx_status_destroy(status)
        raise JinxError(code, message)


def _c_shape(shape) -> ctypes.Array:
    return (ctypes.c_int64 * len(shape))(*shape)


def _number(array: np.ndarray) -> int:
    if array.dtype.name not in _NUMBERS:
        raise TypeError(f"no element type of Jinx for numpy's {array.dtype}")
    return _NUMBERS[array.dtype.name]


def _dtype(number: int) -> np.dtype:
    name = _NUMPY_NAMES[number]
    if hasattr(np, name) or name == "bool":
        return np.dtype(name)
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name))


class Port:
    """An input or output: name, numpy dtype (None: any), sizes as texts, dims (-1: not fixed; None: any rank)."""

    def __init__(self, port: _Port):
        self.name = port.name.decode()
        self.dtype = None
        if port.dtype == _STRING:
            self.dtype = np.dtype(object)
        elif port.dtype in _NUMPY_NAMES:
            self.dtype = _dtype(port.dtype)
        self.dims = [port.dims[k] for k in range(port.rank)] if port.rank >= 0 else None
        self.sizes = [port.sizes[k].decode() for k in range(port.rank)] if port.rank >= 0 else None

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(self.sizes or ['…'])}]"


class Call:
    """Inputs and outputs bound by position. Arrays are not copied, so they are kept here."""

    def __init__(self, session: "Session", inputs: list[np.ndarray], outputs: list[np.ndarray | None] = ()):
        self._session, self._library = session, session.library
        self._handle = _P()
        self._library.call_create(session.handle, ctypes.byref(self._handle))
        self._kept = []
        for index, array in enumerate(inputs):
            self._set_input(index, array)
        for index, array in enumerate(outputs):
            if array is not None:
                assert array.flags.c_contiguous and array.flags.writeable
                self._library.call_set_output(
                    self._handle, index, _number(array), _c_shape(array.shape), array.ndim, array.ctypes.data, array.nbytes
                )
                self._kept.append(array)

    def _set_input(self, index: int, array: np.ndarray) -> None:
        array = np.asarray(array, order="C")
        shape = _c_shape(array.shape)
        if array.dtype.kind in "OSU":
            texts = [text if isinstance(text, bytes) else str(text).encode() for text in array.ravel()]
            self._library.call_set_input_strings(
                self._handle, index, shape, array.ndim, (ctypes.c_char_p * len(texts))(*texts)
            )
            return
        self._kept.append(array)
        self._library.call_set_input(self._handle, index, _number(array), shape, array.ndim, array.ctypes.data)

    def run(self, trace: "Trace | None" = None) -> None:
        self._library.call_run(self._handle, trace.handle if trace else None)

    def output_shape(self, index: int) -> list[int]:
        """Before the run; -1 for an extent that only a run can tell."""
        shape, rank = (ctypes.c_int64 * 64)(), _I()
        self._library.call_output_shape(self._handle, index, shape, 64, ctypes.byref(rank))
        return list(shape[: rank.value])

    def output(self, index: int) -> np.ndarray:
        """A copy of what the last run put out."""
        tensor = _P()
        self._library.call_output(self._handle, index, ctypes.byref(tensor))
        rank = self._library.tensor_rank(tensor)
        shape = self._library.tensor_shape(tensor)[:rank] if rank else []
        number = self._library.tensor_dtype(tensor)
        if number == _STRING:
            return self._strings(tensor, shape)
        size = self._library.tensor_size_bytes(tensor)
        data = ctypes.string_at(self._library.tensor_data(tensor), size) if size else b""
        return np.frombuffer(data, dtype=_dtype(number)).reshape(shape).copy()

    def _strings(self, tensor, shape) -> np.ndarray:
        count, length, texts = self._library.tensor_num_elements(tensor), _S(), []
        for index in range(count):
            text = self._library.tensor_string(tensor, index, ctypes.byref(length))
            texts.append(ctypes.string_at(text, length.value).decode())
        return np.array(texts, dtype=object).reshape(shape)

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.call_destroy(self._handle)


class DeviceCall:
    """A call between memory of the device, which the caller keeps: operands are (name of numpy's type, shape, address)."""

    def __init__(self, session: "Session", inputs: list[tuple], outputs: list[tuple]):
        self._session, self._library = session, session.library
        self._handle = _P()
        self._library.call_create(session.handle, ctypes.byref(self._handle))
        for index, (dtype, shape, address) in enumerate(inputs):
            self._library.call_set_device_input(self._handle, index, _NUMBERS[dtype], _c_shape(shape), len(shape), address)
        for index, (dtype, shape, address) in enumerate(outputs):
            size = -(-math.prod(shape) * session.library.dtype_bits(_NUMBERS[dtype]) // 8)
            self._library.call_set_device_output(self._handle, index, _NUMBERS[dtype], _c_shape(shape), len(shape), address, size)

    def enqueue(self, stream: int | None = None) -> None:
        """On a stream of the driver; returns at once."""
        self._library.call_enqueue(self._handle, stream)

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.call_destroy(self._handle)


class Session:
    """A plan loaded on a device."""

    def __init__(self, library: Library, plan: str | os.PathLike, device="cpu", threads=0, pin_threads=False, isa=""):
        self.library = library
        self._plan, self.handle = _P(), _P()
        library.plan_open(os.fsencode(plan), ctypes.byref(self._plan))
        options = _SessionOptions(
            ctypes.sizeof(_SessionOptions), device.encode(), threads, int(pin_threads), isa.encode()
        )
        library.session_create(self._plan, ctypes.byref(options), ctypes.byref(self.handle))
        self.inputs = self._ports(library.session_num_inputs, library.session_input)
        self.outputs = self._ports(library.session_num_outputs, library.session_output)

    def _ports(self, count, get) -> list[Port]:
        ports = []
        for index in range(count(self.handle)):
            port = _Port(struct_size=ctypes.sizeof(_Port))
            get(self.handle, index, ctypes.byref(port))
            ports.append(Port(port))
        return ports

    @property
    def device(self) -> str:
        return self.library.session_device(self.handle).decode()

    @property
    def isa(self) -> str:
        return self.library.session_isa(self.handle).decode()

    @property
    def metadata(self) -> dict[str, str]:
        """The model's own."""
        keys = [
            self.library.plan_metadata_key(self._plan, k) for k in range(self.library.plan_num_metadata(self._plan))
        ]
        return {key.decode(): self.library.plan_metadata(self._plan, key).decode() for key in keys}

    def call(self, inputs: list[np.ndarray], outputs: list[np.ndarray | None] = ()) -> Call:
        return Call(self, inputs, outputs)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        missing = [port.name for port in self.inputs if port.name not in inputs]
        unknown = [name for name in inputs if name not in {port.name for port in self.inputs}]
        if missing or unknown:
            raise KeyError(f"missing inputs: {missing}, unknown inputs: {unknown}")
        call = self.call([inputs[port.name] for port in self.inputs])
        call.run()
        return {port.name: call.output(index) for index, port in enumerate(self.outputs)}

    def statistics(self) -> dict[str, int]:
        statistics = _Statistics(struct_size=ctypes.sizeof(_Statistics))
        self.library.session_statistics(self.handle, ctypes.byref(statistics))
        return {name: getattr(statistics, name) for name in _Statistics.NAMES}

    def __del__(self):
        if getattr(self, "handle", None):
            self.library.session_destroy(self.handle)
        if getattr(self, "_plan", None):
            self.library.plan_destroy(self._plan)


class Trace:
    """Times per step of the runs that it is passed to."""

    def __init__(self, session: Session, max_events: int = 0):
        self._session, self.handle = session, _P()
        session.library.trace_create(session.handle, max_events, ctypes.byref(self.handle))

    def timings(self) -> list[dict]:
        library, timings = self._session.library, []
        for index in range(library.trace_num_timings(self.handle)):
            timing = _StepTiming(struct_size=ctypes.sizeof(_StepTiming))
            library.trace_timing(self.handle, index, ctypes.byref(timing))
            entry = {name: getattr(timing, name) for name, _ in _StepTiming._fields_ if name != "struct_size"}
            timings.append({k: v.decode() if isinstance(v, bytes) else v for k, v in entry.items()})
        return timings

    def write(self, path: str | os.PathLike) -> None:
        self._session.library.trace_write(self.handle, os.fsencode(path))

    def __del__(self):
        if getattr(self, "handle", None):
            self._session.library.trace_destroy(self.handle)
