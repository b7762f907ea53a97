"""The panel of a provider says how the credentials are that sources issue for it."""

from __future__ import annotations

from msgspec.structs import replace

from providers.sources import CredentialState
from tests.support.dashboard_app import running
from tests.support.dashboard_feed import busy
from tui.widgets.details import Details


async def test_the_details_say_until_when_it_holds_and_why_there_is_no_newer_one() -> None:
    snapshot = busy()
    provider = snapshot.providers[0]
    at = snapshot.time
    well = CredentialState("aws", at - 600, at + 1800)
    ill = CredentialState("entra", at - 600, at + 60, 2, "no login", at + 4)
    for state, words in (
        (well, "aws: holds for 30m, fetched 10m ago"),
        (ill, "failed 2 times, next try in 4s: no login"),
    ):
        keys = (replace(provider.keys[0], credential=state), *provider.keys[1:])
        shown = replace(snapshot, providers=(replace(provider, keys=keys), *snapshot.providers[1:]))
        async with running(shown) as (app, _, _):
            assert words in str(app.screen.query_one(Details).visual)
