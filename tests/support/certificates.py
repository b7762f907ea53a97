"""Certificates for a test: a CA of its own, a server's, and a client's."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "open sesame"


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files. `locked` is the client's key under `PASSWORD`; `both` has its certificate and key."""

    ca: str
    ca_folder: str
    server: str
    server_key: str
    client: str
    client_key: str
    locked: str
    both: str


def make_certificates(folder: Path) -> Certificates:
    """Make them by the openssl command, skipping the test where there is none of version 3 or later."""

    def openssl(*args: str) -> str:
        return subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True, text=True).stdout

    if not shutil.which("openssl") or openssl("version") < "OpenSSL 3":
        pytest.skip("there is no openssl command, of version 3 or later, to make certificates with")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    ca_only = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl(*new, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem", *ca_only)
    for name, names in (("server", "IP:127.0.0.1,DNS:localhost"), ("client", "DNS:client")):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName={names}")
        leaf = ("-addext", "basicConstraints=critical,CA:FALSE")
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", *signed, *leaf)
    openssl("pkey", "-in", "client.key", "-aes256", "-passout", f"pass:{PASSWORD}", "-out", "locked.key")
    (folder / "both.pem").write_text((folder / "client.pem").read_text() + (folder / "client.key").read_text())
    hashed = openssl("x509", "-hash", "-noout", "-in", "ca.pem").strip()
    (folder / "cas").mkdir()
    shutil.copy(folder / "ca.pem", folder / "cas" / f"{hashed}.0")
    files = ("ca.pem", "cas", "server.pem", "server.key", "client.pem", "client.key", "locked.key", "both.pem")
    return Certificates(*(str(folder / file) for file in files))
