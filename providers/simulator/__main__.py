"""`python -m providers.simulator --port 8089`: run the simulator until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from providers.simulator.server import Simulator


async def serve(port: int, seed: int) -> None:
    """Run until cancelled, after printing where everything is."""
    async with Simulator(port=port, seed=seed) as simulator:
        for vendor in simulator.vendors.values():
            print(f"{vendor.name:<10} {simulator.base_url(vendor.name)}")
        print(f"{'control':<10} {simulator.url}/control", flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m providers.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8089, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="makes errors, jitter and ids repeatable")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(serve(options.port, options.seed))
        except (OSError, OverflowError) as error:
            parser.exit(1, f"cannot listen on 127.0.0.1:{options.port}: {error}\n")


if __name__ == "__main__":
    main()
