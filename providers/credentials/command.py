"""A program's output as a source.

Read is the first line of plain text, or JSON as the tools of this world write it: Kubernetes' ExecCredential
(https://kubernetes.io/docs/reference/config-api/client-authentication.v1/), OAuth's token responses (RFC 6749, section
5.1), `az account get-access-token`, `gcloud config config-helper --format=json`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import msgspec

from providers.credentials.blocking import OneThread
from providers.scrub import HIDDEN, scrub
from providers.sources import LIMIT, Issued, NoCredential, lifetime_of

MOST = 64 * 1024  # bytes of its output
_SHOWN, _LOOKED_AT = 200, 2_000  # characters of what it complains of
# What may be secret of that: what is named so, who asks in a URL, and words with a run of letters and digits.
_NAMED = (
    r"(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|key|credentials?)[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"?|'[^']*'?|[^\s\"',;&]+)"
)
_IN_URL = r"://[^/\s@]+@"
_WORD = r"[\w.~+/=-]+"
_RUN = r"[A-Za-z0-9]{16,}"
_NO_TOKENS = frozenset({"null", "none", "nil", "undefined", "nan", "true", "false"})  # of `jq -r` and the like
# Names of fields, the best first; the parts of a document where they are looked for.
_TOKENS = ("token", "access_token", "accessToken", "api_key", "apiKey", "key")
_MOMENTS = ("expirationTimestamp", "expires_on", "expires_at", "expiresAt", "expiration", "token_expiry", "expiry")
_LIVES = ("expires_in", "expiresIn")
_PARTS = ("status", "credential", "data")


class CommandSource:
    """What a program writes. No shell is in between: a list is taken as it is, a text is cut into words.

    It has the environment and the folder of this process, no input, and as long as a fetch may take; then it is killed
    with its children.

    Args:
        command: the program and its arguments.
        ttl: seconds that a credential holds whose output does not say; None: until it is refused.

    Raises:
        ValueError: the text is no command line.
    """

    def __init__(self, command: str | tuple[str, ...], ttl: float | None = None) -> None:
        self._words = words_of(command)
        self._ttl = ttl
        self._thread = OneThread()
        self.name = f"command {os.path.basename(self._words[0])}"
        self.shape = repr(("command", self._words, ttl))

    def __repr__(self) -> str:
        return f"<CommandSource {self.name}>"  # an argument may be a secret

    async def fetch(self) -> Issued:
        code, out, err = await self._thread.do(self._run)
        text = out.decode("utf-8-sig", errors="replace").strip()
        if len(out) > MOST:
            raise NoCredential(f"it wrote over {MOST >> 10} KiB")
        if code != 0:
            raise NoCredential(f"it ended with {_status(code)}{_complaint(err, text)}")
        if not text:
            raise NoCredential(f"it wrote nothing{_complaint(err, text)}")
        return issued_of(text, self._ttl)

    def _run(self) -> tuple[int, bytes, bytes]:
        """Its exit status, and what it wrote; it is killed when it writes too much or takes too long."""
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that its children can be killed with it
            )
        except OSError as error:
            raise NoCredential(f"it can't be run: {error.strerror or error}") from None
        with process:
            alarm = threading.Timer(LIMIT - 1, _kill, [process])
            alarm.daemon = True
            alarm.start()
            complaints: list[bytes] = []
            beside = threading.Thread(target=lambda: complaints.append(_read(process.stderr)), daemon=True)
            beside.start()
            try:
                out = _read(process.stdout)
                if len(out) > MOST:
                    _kill(process)
                beside.join()
                return process.wait(), out, b"".join(complaints)
            finally:
                alarm.cancel()


def words_of(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """The program and its arguments.

    Raises:
        ValueError: it is none, or needs a shell, which is not started in silence.
    """
    if not isinstance(command, str):
        words = tuple(command)
    else:
        try:
            lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = tuple(lexer)
        except ValueError as error:
            raise ValueError(f"this is no command line: {str(error).lower()}") from None
        if any(word and set(word) <= set("();<>|&") for word in words) or "$(" in command or "`" in command:
            raise ValueError('no shell runs this: for | > && and the like write [sh, -c, "…"]')
    if not words or not words[0]:
        raise ValueError("a program is expected, such as [gcloud, auth, print-access-token]")
    return words


def issued_of(text: str, ttl: float | None) -> Issued:
    """What a program's output says.

    Raises:
        NoCredential: nothing that can be sent.
    """
    if text[0] not in '{["':
        line = text.splitlines()[0].strip()
        if line.lower() in _NO_TOKENS or line.startswith("<"):
            raise NoCredential("what it wrote is no token, but a page or a word such as null")
        return Issued(token=line, lifetime=ttl)
    try:
        document = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        raise NoCredential("its output begins like JSON, and is none") from None
    if isinstance(document, str):
        return Issued(token=document.strip(), lifetime=ttl)
    if not isinstance(document, dict):
        raise NoCredential("its JSON is a list, which is no token")
    if "AccessKeyId" in document:
        raise NoCredential("these are AWS credentials: name it as credential_process of a profile, and write {aws: …}")
    for part in _parts(document):
        token = next((part[name] for name in _TOKENS if isinstance(part.get(name), str)), None)
        if token is not None:
            return Issued(token=token.strip(), lifetime=_lifetime(part, ttl))
    raise NoCredential(f"its JSON has no field {', '.join(_TOKENS[:-1])} or {_TOKENS[-1]}")


def _parts(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield document
    yield from (part for name in _PARTS if isinstance(part := document.get(name), dict))


def _lifetime(part: dict[str, Any], ttl: float | None) -> float | None:
    try:
        for name in (*_MOMENTS, *_LIVES):
            if part.get(name) is not None:
                return lifetime_of(part[name])
    except (ValueError, OverflowError):
        raise NoCredential(f"its {name} is no moment that can be read") from None
    return ttl


def _read(stream: IO[bytes] | None) -> bytes:
    """What is written, up to a byte more than may be."""
    assert stream is not None
    return stream.read(MOST + 1)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it, and its children."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):  # also where it has ended itself: a child of it may hold its output open
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _status(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"signal {-code}"


def _complaint(err: bytes, output: str) -> str:
    """What it wrote to stderr, without what it wrote to stdout, which may be a token."""
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    said = " ".join(" ".join(lines[-3:]).split())[-_LOOKED_AT:]
    for word in output.split():
        said = scrub(said, word)
    said = re.sub(_IN_URL, f"://{HIDDEN}@", re.sub(_NAMED, rf"\1{HIDDEN}", scrub(said)))
    said = re.sub(_WORD, _shown, said)
    return f": {said[-_SHOWN:]}" if said else ""


def _shown(word: re.Match[str]) -> str:
    runs = re.findall(_RUN, word[0])
    return HIDDEN if any(not run.isalpha() and not run.isdigit() for run in runs) else word[0]
