"""Which program does a command of jinx? Plans are run by jinx-rt, which starts in a sixth of the time."""

import pathlib


def command_of(jinx, *arguments):
    """A command line: `run PLAN …` by the jinx-rt beside `jinx`, where there is one, all else by `jinx`."""
    runner = pathlib.Path(jinx).with_name("jinx-rt")
    return [runner if arguments[0] == "run" and runner.is_file() else jinx, *map(str, arguments)]
