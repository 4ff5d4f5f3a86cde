"""Which tests took longest, which failed, and what did they print last?

`./dev test` shows this at its end, where a reader of a long log looks first. Reads the JUnit files that ctest wrote, one for each
preset: summary.py dev=build/dev/ctest.xml asan=build/asan/ctest.xml
"""

import sys
import xml.etree.ElementTree as ElementTree

LINES = 60  # of each test's output, its last
SLOWEST = 12  # of each preset


def cases(path):
    return list(ElementTree.parse(path).getroot().iter("testcase"))


def failures(path):
    """(name, output) of every test case in a JUnit file whose status is a failure."""
    for case in cases(path):
        if case.find("failure") is not None or case.get("status") == "fail":
            yield case.get("name"), case.findtext("system-out") or ""


def slowest(path):
    """"name seconds" of the tests that took longest, and the sum of all, over all cores."""
    times = sorted(((float(case.get("time") or 0), case.get("name")) for case in cases(path)), reverse=True)
    listed = ", ".join(f"{name} {seconds:.0f}" for seconds, name in times[:SLOWEST])
    return f"{sum(seconds for seconds, _ in times):.0f} s in all: {listed}"


def main(arguments):
    names = []
    files = [argument.partition("=")[::2] for argument in arguments]
    for preset, path in files:
        print(f"-- tests of {preset} by time, {slowest(path)}")
    for preset, path in files:
        for name, output in failures(path):
            names.append(f"{name} ({preset})")
            lines = output.rstrip().splitlines()
            print(f"\n== failed: {name} ({preset}); the last of its output:")
            if len(lines) > LINES:
                print(f"   … {len(lines) - LINES} lines left out")
            print("\n".join("   " + line for line in lines[-LINES:]))
    if names:
        print("\n== failed:", ", ".join(names))


if __name__ == "__main__":
    main(sys.argv[1:])
