"""Customers under a keyed hash: whose a response is can be asked, and not be read.

A customer's key never reaches the disk. What does is the first 64 bits of its HMAC-SHA256
(`RFC 2104 <https://www.rfc-editor.org/rfc/rfc2104>`_) as an integer, the surrogate, and the version
of the secret it was made with.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxstream.errors import FailedPreconditionError
from cxstream.store.journal import sync_folder

SECRET_BYTES = 32
_VERSIONS_MAX = 2**15 - 1


class CustomerKeys:
    """The secrets that customers' keys are hashed with.

    Parameters
    ----------
    secrets_by_version : dict of int to bytes
        The highest version is used; the others still find who was stored under them.
    """

    def __init__(self, secrets_by_version: dict[int, bytes], path: Path | None = None) -> None:
        #: The file they are from, where they are from one.
        self.path = path
        self._secrets = dict(sorted(secrets_by_version.items()))
        self.version = max(self._secrets)

    @classmethod
    def load(cls, path: Path) -> CustomerKeys:
        """Read the secrets' file.

        Raises
        ------
        FailedPreconditionError
            ``CUSTOMER_KEYS``: others may read it, or it cannot be read; says what to do.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            with os.fdopen(file, "rb") as opened:
                found = os.fstat(opened.fileno())
                data = opened.read()
        except OSError as error:
            raise _unusable(path, f"it cannot be read ({error.strerror})", "make one with `cxstream customer-key`") from error  # fmt: skip
        if found.st_uid not in (os.geteuid(), 0):
            raise _unusable(path, "it belongs to another user", "make it belong to this one")
        if stat.S_IMODE(found.st_mode) & 0o077:
            mode = f"others than its owner may use it (mode {stat.S_IMODE(found.st_mode):04o})"
            raise _unusable(path, mode, f"run chmod 600 {path}")
        try:
            tables = tomllib.loads(data.decode())
            known = {int(version): bytes.fromhex(text) for version, text in tables["keys"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unusable(path, f"it has no keys as cxstream writes them ({error})", "restore it") from error  # fmt: skip
        if not known or min(known) < 1 or max(known) > _VERSIONS_MAX:
            raise _unusable(path, f"versions are 1 to {_VERSIONS_MAX}", "restore it")
        if any(len(secret) < SECRET_BYTES for secret in known.values()):
            raise _unusable(path, f"a key has fewer than {SECRET_BYTES} bytes", "restore it")
        return cls(known, path)

    def fingerprints(self) -> dict[int, bytes]:
        """Return what tells a secret from another, by version, and nothing else of it."""
        return {
            version: hmac.digest(secret, b"cxstream", "sha256")[:16]
            for version, secret in self._secrets.items()
        }

    def digests(self, digest: bytes) -> tuple[bytes, ...]:
        """Return a batch's digest under every secret, the one in use first.

        A plain digest of a batch of one response would tell, by trial, whose it is.
        """
        return tuple(
            hmac.digest(secret, digest, "sha256")[:16]
            for _, secret in sorted(self._secrets.items(), reverse=True)
        )

    def hashed(self, program: str, batch: pa.RecordBatch, column: str) -> pa.RecordBatch:
        """Return a batch with surrogates in place of its customers' keys."""
        place = batch.schema.get_field_index(column)
        keys = batch.column(place)
        if not pa.types.is_dictionary(keys.type):
            keys = pc.dictionary_encode(keys)
        start = hmac.new(self._secrets[self.version], _prefix(program), "sha256")
        names = keys.dictionary.cast(pa.string()).to_pylist()
        found = np.frombuffer(b"".join([_short(start, name or "") for name in names]), dtype="<i8")
        nobody = pa.array([name is None for name in names], pa.bool_())
        surrogates = pa.array(found, pa.int64(), mask=nobody.to_numpy(zero_copy_only=False))
        taken = surrogates.take(keys.indices)
        version = pa.array(np.full(len(batch), self.version, np.int16), mask=_is_null(taken))
        columns = {one.name: batch.column(at) for at, one in enumerate(batch.schema) if at != place}
        # Made anew: what a schema says besides names and types is the sender's, and could name anybody.
        return pa.record_batch(columns | {"_customer": taken, "_customer_key": version})

    def names(self, program: str, customer: str) -> tuple[tuple[int, int], ...]:
        """Return key version and surrogate of one customer, under every secret there is."""
        text = _prefix(program) + customer.encode()
        return tuple(
            (
                version,
                int.from_bytes(hmac.digest(secret, text, "sha256")[:8], "little", signed=True),
            )
            for version, secret in self._secrets.items()
        )


def add_key(path: Path) -> int:
    """Add a fresh secret to a file, made where there is none; return its version.

    Raises
    ------
    FailedPreconditionError
        ``CUSTOMER_KEYS``: as `CustomerKeys.load`.
    OSError
        It cannot be written.
    """
    # A link stays a link: what it points to is replaced.
    path = path.resolve()
    with _locked(path.parent):
        owner = path.stat() if path.exists() else None
        known = dict(CustomerKeys.load(path)._secrets) if owner else {}  # noqa: SLF001 - ours
        version = max(known, default=0) + 1
        known[version] = secrets.token_bytes(SECRET_BYTES)
        lines = [
            "# Secrets of cxstream. Who has them can tell which responses are a known customer's.",
            "# Keep a copy elsewhere than the data directory; without them nobody can be erased.",
            "[keys]",
            *(f'{number} = "{secret.hex()}"' for number, secret in known.items()),
        ]
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.rename(path)
        sync_folder(path.parent)
    return version


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _short(start: hmac.HMAC, name: str) -> bytes:
    one = start.copy()
    one.update(name.encode())
    return one.digest()[:8]


def _prefix(program: str) -> bytes:
    """Return what keeps one program's customers from being found in another."""
    return program.encode() + b"\0"


def _is_null(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = array.is_null().to_numpy(
        zero_copy_only=False
    )
    return found


def _unusable(path: Path, what: str, remedy: str) -> FailedPreconditionError:
    return FailedPreconditionError(
        "CUSTOMER_KEYS", f"the file of customer keys {path}: {what}; {remedy}"
    )
