"""Generate the Python stubs of the wire contract.

``python protos/generate.py`` writes ``client_sdk/src/cxstream_api``; ``--check`` writes nothing
and fails where the committed stubs differ from what the ``.proto`` files say.

Needs ``grpcio-tools`` and ``mypy-protobuf`` in the environment that runs it. The release of
grpcio-tools is pinned: it decides which releases of grpcio and protobuf can import the stubs.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
STUBS = PROTOS.parent / "client_sdk" / "src" / "cxstream_api"
GRPC_TOOLS_VERSION = "1.76.0"
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
DIFF_LINES_MAX = 40

PACKAGE_DOC = '"""Wire contract of cxstream, generated from the .proto files. Do not edit."""\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate the stubs, or check them.

    Parameters
    ----------
    arguments
        The command line without the program's name; that of the process when absent.

    Returns
    -------
    int
        The exit status: 0, or 1 where ``--check`` found a difference.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare only; write nothing")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "cxstream_api"
        generate(Path(folder))
        if options.check:
            differences = compare(STUBS, fresh)
            for line in differences:
                print(line)
            if differences:
                print("The stubs are out of date: run `python protos/generate.py`.")
            return 1 if differences else 0
        install(fresh, STUBS)
    print(f"{len(files_of(STUBS))} files in {STUBS.relative_to(PROTOS.parent)}")
    return 0


def generate(folder: Path) -> None:
    """Write the package ``cxstream_api`` into a folder.

    Parameters
    ----------
    folder
        An existing folder; the package is made in it.

    Raises
    ------
    SystemExit
        Where a tool is missing or of another release, or protoc fails.
    """
    check_tools()
    sources = sorted(PROTOS.glob("cxstream_api/**/*.proto"))
    with_services = [path for path in sources if "\nservice " in path.read_text("utf-8")]
    run_protoc(folder, sources, ["python_out", "mypy_out"])
    run_protoc(folder, with_services, ["grpc_python_out", "mypy_grpc_out"])

    root = folder / "cxstream_api"
    for package in sorted({root, *(path.parent for path in root.rglob("*_pb2.py"))}):
        (package / "__init__.py").write_text(PACKAGE_DOC, "utf-8")
    (root / "py.typed").write_text("", "utf-8")


def check_tools() -> None:
    """Leave with the remedy where the pinned tools are not there."""
    remedy = f"pip install grpcio-tools=={GRPC_TOOLS_VERSION} mypy-protobuf"
    try:
        found = importlib.metadata.version("grpcio-tools")
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit(f"grpcio-tools is not installed: {remedy}") from None
    if found != GRPC_TOOLS_VERSION:
        raise SystemExit(f"grpcio-tools is {found}, pinned is {GRPC_TOOLS_VERSION}: {remedy}")
    for plugin in PLUGINS:
        if not plugin_path(plugin).exists():
            raise SystemExit(f"{plugin} is not installed: {remedy}")


def plugin_path(plugin: str) -> Path:
    """Return where this environment keeps a protoc plugin."""
    suffix = ".exe" if os.name == "nt" else ""
    return Path(sysconfig.get_path("scripts")) / f"{plugin}{suffix}"


def run_protoc(folder: Path, sources: Sequence[Path], outputs: Sequence[str]) -> None:
    """Run protoc over the sources, once for all outputs."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"]
    command += [f"--plugin={plugin}={plugin_path(plugin)}" for plugin in PLUGINS]
    command += [f"--{output}={folder}" for output in outputs]
    command += [str(source) for source in sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"protoc failed:\n{done.stderr}")


def files_of(folder: Path) -> dict[Path, str]:
    """Return the text of every file below a folder, by its path in it."""
    found = (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(folder): path.read_text("utf-8") for path in sorted(found)}


def compare(committed: Path, fresh: Path) -> list[str]:
    """Return what differs between two folders, in lines to print; none where they are equal."""
    old, new = files_of(committed), files_of(fresh)
    lines = []
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            lines.append(f"{path}: no longer generated")
        elif path not in old:
            lines.append(f"{path}: missing")
        elif old[path] != new[path]:
            diff = list(
                difflib.unified_diff(
                    old[path].splitlines(),
                    new[path].splitlines(),
                    "committed",
                    "generated",
                    "",
                    "",
                    1,
                    "",
                )
            )
            changed = sum(line[0] in "+-" for line in diff[2:])
            lines.append(f"{path}: {changed} lines differ")
            lines += [f"    {line[:120]}" for line in diff[2:DIFF_LINES_MAX]]
    return lines


def install(fresh: Path, target: Path) -> None:
    """Make the target folder hold exactly the fresh files; files already equal stay untouched."""
    old, new = files_of(target), files_of(fresh)
    for path in old.keys() - new.keys():
        (target / path).unlink()
    for path, text in new.items():
        if old.get(path) != text:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
