"""Which operators does the graph dialect have, and what do their definitions say? From TableGen itself, so that no list is kept."""

import dataclasses
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Op:
    name: str  # without the dialect's prefix
    cpp: str  # class
    summary: str
    description: str
    verifier: bool
    traits: list

    @property
    def infers(self):
        return "InferTypeOpInterface::Trait" in self.traits


def add_arguments(parser):
    parser.add_argument("--tblgen", default="/usr/lib/llvm-22/bin/llvm-tblgen")
    parser.add_argument("--mlir-include", default="/usr/lib/llvm-22/include", help="folder of MLIR's own .td files")


def operators(arguments, file="ir/Graph/GraphOps.td"):
    """{name: Op} of the dialect jinx. `file` is GraphOps.td, or one that includes it."""
    command = [arguments.tblgen, "--dump-json", "-I", ROOT, "-I", arguments.mlir_include, file]
    records = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)

    def traits(references):
        for reference in references:
            record = records[reference["def"]]
            yield record.get("trait") or record.get("cppInterfaceName") or reference["def"]
            yield from traits(record.get("traits", []))

    found = {}
    for name in records["!instanceof"]["Op"]:
        record = records[name]
        if record["opDialect"]["def"] == "Graph_Dialect":
            found[record["opName"]] = Op(record["opName"], name.partition("_")[2], record["summary"].strip(), (record["description"] or "").strip(),
                                         bool(record["hasVerifier"]), list(traits(record["traits"])))
    return found
