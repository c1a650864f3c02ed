"""Both distributions: built from one set of files, and the thin one stands alone."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ("cxstream_client/", "cxstream_api/")
THIN_REQUIRES = {
    "grpcio", "grpcio-status", "googleapis-common-protos", "protobuf", "pyarrow", "isal",
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def build_wheel(tmp_path_factory):
    def build(source, *settings):
        out = tmp_path_factory.mktemp("wheel")
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
        subprocess.run([*command, *settings, str(source)], check=True)
        (wheel,) = out.glob("*.whl")
        return wheel

    return build


@pytest.fixture(scope="module")
def engine_wheel(build_wheel, tmp_path_factory):
    return build_wheel(ROOT, f"--config-setting=build-dir={tmp_path_factory.mktemp('cmake')}")


@pytest.fixture(scope="module")
def thin_wheel(build_wheel):
    return build_wheel(ROOT / "client_sdk")


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name
        }


def requirements(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    prefix = "Requires-Dist: "
    wanted = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return {one.split(">")[0].split("<")[0].split("=")[0].strip() for one in wanted}


def python_files(folder):
    return {str(path.relative_to(folder.parent)) for path in folder.rglob("*.py")}


def test_the_engine_wheel_carries_engine_extension_client_and_stubs(engine_wheel):
    files = contents(engine_wheel)
    assert "-cp311-abi3-" in engine_wheel.name
    assert {"cxstream/_native.abi3.so", "cxstream_client/py.typed", "cxstream_api/py.typed"} <= set(
        files
    )
    assert python_files(ROOT / "engine" / "cxstream") <= set(files)
    assert {name.split("/")[0] for name in files} == {"cxstream", "cxstream_client", "cxstream_api"}


def test_every_data_file_of_the_engine_is_in_its_wheel(engine_wheel):
    package = ROOT / "engine" / "cxstream"
    data = {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.suffix in {".csv", ".toml", ".typed", ".gz", ".parquet"}
    }
    assert data <= set(contents(engine_wheel))


def test_the_shared_files_are_byte_equal(engine_wheel, thin_wheel):
    shared = {
        name: data for name, data in contents(engine_wheel).items() if name.startswith(SHARED)
    }
    assert shared
    assert contents(thin_wheel) == shared


def test_the_thin_wheel_asks_for_no_engine_package(thin_wheel):
    assert requirements(thin_wheel) == THIN_REQUIRES


def test_the_thin_wheel_works_where_numba_cannot_be_imported(thin_wheel, tmp_path):
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    constraints = tmp_path / "constraints.txt"
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    constraints.write_text("\n".join(line.split()[0] for line in lines if "==" in line))
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-c", constraints, thin_wheel], check=True)
    code = """
import importlib.util
for absent in ("numba", "numpy", "cxstream", "scipy"):
    assert importlib.util.find_spec(absent) is None, absent
import cxstream_client
assert callable(cxstream_client.connect)
"""
    subprocess.run([python, "-I", "-W", "error", "-c", code], check=True, cwd=tmp_path)
