"""Refusals in the words of many vendors and gateways: none of one request takes a target from others."""

from __future__ import annotations

import json

import pytest

from providers import CompletionRequest, FakeProvider, ProviderSettings
from providers.classify import classify
from providers.errors import CONSEQUENCES, ProviderError
from providers.evidence import concern
from providers.fake import Fail, Reply, Step
from router import Router
from router.testing import run

ONE_REQUEST = [
    (404, "container_id: container_01 not found"),
    (404, "Requested entity was not found: cachedContents/abc"),
    (404, "Unable to locate attachment att_1"),
    (404, "Workflow wf_1 does not exist"),
    (410, "The file file-1 has been deleted"),
    (410, "This conversation has expired"),
    (410, "The cached content has been evicted"),
    (403, "Prompt attack detected"),
    (403, "Output blocked: toxicity threshold"),
    (403, "Your input was detected as malicious"),
    (403, "This request contains banned words"),
    (403, "Topic not allowed: competitor names"),
    (403, "Message contains a virus"),
    (403, "Input contains disallowed content"),
    (403, "The prompt triggered our abuse detection"),
    (403, "The long context beta is not yet available for this subscription."),
    (403, "Your plan does not include computer use"),
    (403, "Image input is not enabled for this organization"),
    (403, "Web search has been turned off by your administrator"),
    (403, "Unauthorized tool: web_fetch"),
    (403, "End user u-1 has been blocked"),
    (403, "<html><title>403 Forbidden</title><hr>Microsoft-Azure-Application-Gateway/v2</html>"),
    (403, "<html>Web Page Blocked! Attack ID: 20000021</html>"),
    (403, "<html><title>Just a moment...</title></html>"),
    (403, "<html><title>Vercel Security Checkpoint</title></html>"),
    (403, "<!DOCTYPE html><html><body>Your visit was stopped</body></html>"),
]
MODEL = [
    (404, "The fine-tuned model ft:gpt-4o:org::abc has been deleted"),
    (404, "The model is not available in your region us-east5"),
    (404, "This model version has reached the end of its life."),
    (404, "The model can not be found. Please check it"),
    (410, "claude-2.1 was retired on July 21, 2025"),
    (410, "Gone"),
]
KEY = [
    (403, "Permission denied on resource project polynomial."),
    (403, "Your trial has expired. Please upgrade."),
    (403, "Your free trial period has ended"),
    (403, "The project proj_1 has been archived and can no longer be used"),
    (403, "Account blocked because of unusual activity"),
    (403, "Your account was banned for malicious activity"),
    (403, "Your account is not verified."),
    (403, "Please accept the terms of service in the console before using the API"),
    (401, "The API key doesn't exist"),
]


def refusal(status: int, said: str) -> ProviderError:
    body = said if said.startswith("<") else json.dumps({"error": {"message": said}})
    return classify(status, body.encode(), provider="a", model="some-model")


def failing(error: ProviderError) -> Fail:
    return Fail(error.code, f"{error.message} {error.body_excerpt}", status=error.status)


@pytest.mark.parametrize(("status", "said"), ONE_REQUEST)
def test_what_is_about_one_request_is_no_evidence(status: int, said: str) -> None:
    """Whatever it is read as, it opens no breaker."""
    error = refusal(status, said)
    assert CONSEQUENCES[error.code].breaker == "none" or concern(error) == "request", error.code


@pytest.mark.parametrize(("status", "said"), [*MODEL, *KEY])
def test_a_removed_model_or_a_closed_account_is_asked_once(status: int, said: str) -> None:
    """Its words are evidence at once, about the model alone or about the key."""
    assert concern(refusal(status, said)) == ("model" if (status, said) in MODEL else "key")


def test_five_people_whose_requests_are_refused_send_no_bystander_away() -> None:
    """All these words, one after the other, of different people; then one who asks for something else."""

    async def main() -> None:
        for status, said in ONE_REQUEST:
            error = refusal(status, said)
            if concern(error) != "request":  # it is the caller's mistake, and raised
                continue
            step = failing(error)

            def script(request: CompletionRequest, step: Step = step) -> Step:
                return step if "bad" in request.messages[-1].text and request.model == "m" else Reply(request.model)

            fake = FakeProvider(ProviderSettings(name="a", kind="fake", options={"script": script}))
            text = "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/m], fallbacks: [a/n]}}\n"
            router = Router.from_text(text, env={}, seed=1, providers={"a": fake})
            for n in range(5):
                assert (await router.complete("chat", f"bad {n}", affinity=f"person {n}")).text == "n", said
            assert (await router.complete("chat", "innocent")).text == "m", said

    run(main())


@pytest.mark.parametrize(
    "said",
    [
        "API key rate limit exceeded",
        "Your IP address has sent too many requests",
        "Workspace rate limit exceeded",
        "Team tpm limit exceeded",
        "Too many requests for this API key",
    ],
)
def test_a_rate_of_the_key_or_whoever_owns_it_is_the_keys(said: str) -> None:
    """Its other models are limited as well."""
    assert concern(refusal(429, said)) == "key"
