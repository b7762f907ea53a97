"""What the usual variables of the environment say about proxies and CA bundles, as curl and the vendors' SDKs read
them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_of(scheme: str, host: str, port: int | None, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names a proxy for this server, and its value; None for a direct connection.

    `HTTPS_PROXY` or `HTTP_PROXY` by the server's scheme, then `ALL_PROXY`, the lower-case names first; not where
    `NO_PROXY` has the server: a name with all below it, an address, a network (`10.0.0.0/8`), each with a port or
    none, or `*`. A server on this machine's loopback is never asked through a proxy, as Go has it: the proxy would
    reach another machine.
    """
    if _is_loopback(host) or _is_exempt(host, port or _DEFAULT_PORTS.get(scheme), environ):
        return None
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        # In a CGI program this one comes from the request's header `Proxy` (CVE-2016-5385).
        if name == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
            continue
        if value := environ.get(name, "").strip():
            return name, value if "://" in value else f"http://{value}"
    return None


def proxies_of(environ: Mapping[str, str]) -> list[str]:
    """All proxies that `proxy_of` may give, whichever server is asked."""
    names = (f"{scheme}_proxy" for scheme in (*_DEFAULT_PORTS, "all"))
    values = (environ.get(name, "").strip() for each in names for name in (each, each.upper()))
    return [value if "://" in value else f"http://{value}" for value in values if value]


def ca_bundle_of(environ: Mapping[str, str]) -> str | None:
    """The CA bundle, a file or a folder, of `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`.

    OpenSSL itself reads `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    """
    return environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_exempt(host: str, port: int | None, environ: Mapping[str, str]) -> bool:
    entries = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").replace(",", " ").split()
    return any(_matches(entry.lower(), host.lower(), port) for entry in entries)


def _matches(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    try:
        if address is not None:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # no address or network: a name, or one with a port
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        return int(wanted) == port and _matches(name, host, port)
    name = entry.removeprefix("*").lstrip(".")
    return address is None and bool(name) and (host == name or host.endswith(f".{name}"))
