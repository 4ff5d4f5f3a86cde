"""A numeric test whose cases have names: which cases, with what numbers, how many passed."""

import argparse
import pathlib
import subprocess
import tempfile

from programs import command_of


class CaseRun:
    """Counts what is judged, and calls the compiler."""

    def __init__(self, jinx, seed):
        self.jinx, self.seed, self.passed, self.failed = jinx, seed, 0, 0

    def outcome(self, good, problem):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print("FAIL", problem)
        return good

    def call(self, *arguments):
        return subprocess.run(command_of(self.jinx, *arguments), capture_output=True, text=True)


def main_over_cases(doc, cases, make_run):
    """Judges each case in a folder of its own.

    cases: name -> case. make_run(jinx, seed): has judge(name, case, folder), passed and failed. Returns the exit status: 1 if one failed, or none was judged.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--jinx", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    if unknown := [c for c in args.cases if c not in cases]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(cases)}")
    run = make_run(args.jinx, args.seed)
    for name in args.cases or cases:
        with tempfile.TemporaryDirectory() as folder:
            run.judge(name, cases[name], pathlib.Path(folder))
    print(f"{run.passed} passed, {run.failed} failed")
    return int(run.failed > 0 or run.passed == 0)
