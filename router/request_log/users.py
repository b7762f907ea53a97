"""How the log names users: by a keyed hash, so that it tells them apart and a copy of it names nobody."""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b
from pathlib import Path

from router.plan.rules import LogRules

KEY_FILE = "users.key"  # beside the log, which all processes of a file write
_MODE = 0o600


class UserNames:
    """What stands in a log for each user. The key is made with the first of them; blocks while it is read."""

    def __init__(self, rules: LogRules) -> None:
        self._rules = rules
        self._key: bytes | None = None

    def of(self, user: str) -> str | None:
        """Return what a line says of a user; None where the file wants nothing said.

        Raises:
            OSError: the key can't be read or made.
        """
        if self._rules.users != "hashed":
            return user if self._rules.users == "plain" else None
        if self._key is None:
            self._key = _made(self._rules.folder / KEY_FILE)
        return hashed(user, self._key)


def names_in(folder: Path, user: str) -> set[str]:
    """Return what may stand for a user in the log of a folder: the text itself, and its hash.

    Raises:
        OSError: the key can't be read.
    """
    try:
        return {user, hashed(user, (folder / KEY_FILE).read_bytes())}
    except FileNotFoundError:
        return {user}


def hashed(user: str, key: bytes) -> str:
    """Return the hash of a user, 16 hex digits."""
    return blake2b(user.encode(errors="surrogatepass"), key=key[:64], digest_size=8).hexdigest()


def _made(path: Path) -> bytes:
    """Read the key, which is made where there is none: whole at once, and by one process of all."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(file, "wb") as writing:
            writing.write(secrets.token_bytes(32))
        try:
            os.link(beside, path)
        except FileExistsError:
            pass  # another process was faster
        except OSError:  # a file system without links
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path.read_bytes()
