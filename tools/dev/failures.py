"""Which tests failed, and what did they print last?

`./dev test` shows this at its end, where a reader of a long log looks first. Reads the JUnit files that ctest wrote, one for each
preset: failures.py dev=build/dev/ctest.xml asan=build/asan/ctest.xml
"""

import sys
import xml.etree.ElementTree as ElementTree

LINES = 60  # of each test's output, its last


def failures(path):
    """(name, output) of every test case in a JUnit file whose status is a failure."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.get("status") == "fail":
            yield case.get("name"), case.findtext("system-out") or ""


def main(arguments):
    names = []
    for argument in arguments:
        preset, _, path = argument.partition("=")
        for name, output in failures(path):
            names.append(f"{name} ({preset})")
            lines = output.rstrip().splitlines()
            print(f"\n== failed: {name} ({preset}); the last of its output:")
            if len(lines) > LINES:
                print(f"   … {len(lines) - LINES} lines left out")
            print("\n".join("   " + line for line in lines[-LINES:]))
    print("\n== failed:", ", ".join(names))


if __name__ == "__main__":
    main(sys.argv[1:])
