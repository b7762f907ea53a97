"""The simulator's control path: see and turn the vendors' knobs over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.simulator.vendor import SimulatedVendor


def control(
    method: str, path: str, body: bytes, vendors: Mapping[str, SimulatedVendor]
) -> tuple[int, dict[str, object]]:
    """Answer a request below `/control`; returns the status and the JSON to send.

    `GET /control` shows every vendor, `GET /control/{vendor}` one, `POST /control/{vendor}` with a JSON
    object sets knobs, and `POST /control/{vendor}/mend` sets all of them back.
    """
    name, _, action = path.strip("/").removeprefix("control").strip("/").partition("/")
    if not name:
        if method != "GET":
            return 405, {"error": f"use GET here, or POST to /control/{{{'|'.join(vendors)}}}"}
        return 200, {name: vendor.state() for name, vendor in vendors.items()}
    vendor = vendors.get(name)
    if vendor is None:
        return 404, {"error": f"no vendor {name!r}; there are: {', '.join(vendors)}"}
    if action not in ("", "mend"):
        return 404, {"error": f"no action {action!r}; there is: mend"}
    if method == "POST" and action == "mend":
        vendor.mend()
    elif method == "POST":
        try:
            vendor.set(**_knobs(body))
        except ValueError as error:
            return 400, {"error": str(error)}
    elif method != "GET" or action:
        return 405, {"error": "use POST"}
    return 200, vendor.state()


def _knobs(body: bytes) -> dict[str, object]:
    """Raises ValueError where the body is not a JSON object."""
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise ValueError(f"the body must be a JSON object of knobs: {error}") from None
