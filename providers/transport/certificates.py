"""Imports aiohttp without reading the system's certificates, which takes as long as a sixth of a process's first call.

aiohttp makes two contexts for TLS while it is imported, and reads all certificates for each. No call of ours uses them:
where TLS is spoken, `tls` makes one. For others in this process that use aiohttp too, they read the certificates when
they are first used.
"""

from __future__ import annotations

import ssl
import sys
import threading
from typing import Any


class _Later(ssl.SSLContext):
    """A context that reads the system's certificates at its first use, and is as any other from then on."""

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        return self._read().wrap_bio(*args, **named)

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        return self._read().wrap_socket(*args, **named)

    def get_ca_certs(self, *args: Any, **named: Any) -> Any:
        return self._read().get_ca_certs(*args, **named)

    def _read(self) -> ssl.SSLContext:
        self.set_default_verify_paths()
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]  # it differs in these methods alone
        return self


def _import_aiohttp() -> None:
    if "aiohttp" in sys.modules or ssl.SSLContext.__module__ != "ssl":  # or somebody has put a class of his own there
        return
    importer = threading.get_ident()
    read = ssl.SSLContext.set_default_verify_paths

    def later(context: ssl.SSLContext) -> None:
        if threading.get_ident() == importer and type(context) is ssl.SSLContext:
            context.__class__ = _Later
        else:
            read(context)

    setattr(ssl.SSLContext, "set_default_verify_paths", later)  # noqa: B010 - mypy lets nobody assign a method
    try:
        import aiohttp  # noqa: F401 - for what its import does
    finally:
        delattr(ssl.SSLContext, "set_default_verify_paths")  # the one of its base class is seen again


_import_aiohttp()
