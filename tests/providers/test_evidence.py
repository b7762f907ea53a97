"""What vendors say when they refuse or limit a request, and what it is evidence about: key, model, or nothing more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.classify import classify
from providers.errors import ErrorCode, ProviderError
from providers.evidence import concern


def said(status: int, body: Any, model: str = "gpt-4o-mini") -> ProviderError:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return classify(status, data, provider="p", model=model)


def err(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def claude(message: str, kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


KEY: list[tuple[int, Any]] = [
    (
        401,
        err("Incorrect API key provided: sk-ab****cd. You can find your API key at https://x", code="invalid_api_key"),
    ),
    (401, claude("invalid x-api-key", "authentication_error")),
    (401, claude("Invalid bearer token", "authentication_error")),
    (401, claude("OAuth token has expired. Please obtain a new token.", "authentication_error")),
    (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
    ),
    (
        401,
        err("Request had invalid authentication credentials. Expected OAuth 2 access token", status="UNAUTHENTICATED"),
    ),
    (401, err("Authentication Fails, Your api key: ****7890 is invalid", type="authentication_error")),
    (401, err("Invalid Authentication", type="invalid_authentication_error")),
    (401, err("User not found.", code=401)),
    (401, err("No auth credentials found", code=401)),
    (401, err("No cookie auth credentials found", code=401)),
    (401, {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, audience is incorrect"}),
    (401, err("Access denied due to invalid subscription key or wrong API endpoint.", code="401")),
    (401, {"detail": "Invalid API key"}),
    (401, {"message": "invalid api token"}),
    (401, err("Invalid credentials in Authorization header")),
    (401, err("Authentication Error, LiteLLM Virtual Key expected. Received=abc", type="auth_error")),
    (401, err("You must be a member of an organization to use the API")),
    (401, err("You have insufficient permissions for this operation. Missing scopes: model.request. Check your role.")),
    (401, err("You didn't provide an API key. You need to provide your API key in an Authorization header.")),
    (403, {"message": "The security token included in the request is invalid."}),
    (403, {"message": "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"}),
    (403, err("Your API key was reported as leaked. Please use another API key.", status="PERMISSION_DENIED")),
    (403, err("Method doesn't allow unregistered callers (callers without established identity).")),
    (403, err("Requests to this API generativelanguage.googleapis.com method google.x.GenerateContent are blocked.")),
    (
        403,
        err(
            "Generative Language API has not been used in project 1 before or it is disabled.",
            status="PERMISSION_DENIED",
        ),
    ),
    (403, err("Your account has been suspended. Contact support.")),
    (401, err("The OpenAI account associated with this API key has been deactivated.", code="account_deactivated")),
    (403, claude("This organization has been disabled.", "permission_error")),
    (403, err("Your IP address 1.2.3.4 is not allowed to use this key")),
    (403, err("Access denied due to Virtual Network/Firewall rules.", code="403")),
    (403, err("Public access is disabled. Please configure private endpoint.", code="403")),
    (401, err("无效的令牌", type="new_api_error")),
    (401, err("身份验证失败。", code="1000")),
    (401, "<html><head><title>401 Authorization Required</title></head><body>openresty</body></html>"),
    (403, err("Request had insufficient authentication scopes.", status="PERMISSION_DENIED")),
    (403, err("Requests from referer <empty> are blocked.", status="PERMISSION_DENIED")),
    (
        403,
        err(
            "This API method requires billing to be enabled. Please enable it on project #1.",
            status="PERMISSION_DENIED",
        ),
    ),
    (401, err("Principal does not have access to API/Operation.", code="PermissionDenied")),
    (403, {"message": "Your account is not authorized to invoke this API operation."}),
    (403, claude("OAuth authentication is currently not allowed for this organization.", "permission_error")),
    (403, {"error": {"message": "API key is currently blocked: leaked"}}),
    (401, {"error": {"code": "AuthenticationError", "message": "The API key format is incorrect."}}),
]

MODEL: list[tuple[int, Any]] = [
    (404, err("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found")),
    (404, err("The model `gpt-image-1` does not exist or you do not have access to it.")),
    (404, claude("model: claude-nope-1", "not_found_error")),
    (404, err("models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.")),
    (404, {"error": "model 'llama9' not found"}),
    (404, err("The API deployment for this resource does not exist.", code="DeploymentNotFound")),
    (404, err("No endpoints found matching your data policy (Free model publication).", code=404)),
    (404, err("No endpoints found for x/y.", code=404)),
    (
        400,
        err("The model `llama3-70b` has been decommissioned and is no longer supported.", code="model_decommissioned"),
    ),
    (410, {}),
    (403, err("Project `proj_1` does not have access to model `gpt-4o-mini`", code="model_not_found")),
    (403, err("You are not allowed to sample from this model")),
    (403, {"message": "You don't have access to the model with the specified model ID."}),
    (
        403,
        {
            "message": "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: "
            "arn:aws:bedrock:us-east-1::foundation-model/m because no identity-based policy allows it"
        },
    ),
    (
        401,
        err("key not allowed to access model. This key can only access models=['a']", type="key_model_access_denied"),
    ),
    (403, err("Your organization must be verified to use the model `o9`.")),
    (403, {"error": "this model requires a subscription, upgrade for access: https://x"}),
    (
        403,
        err(
            "Permission 'aiplatform.endpoints.predict' denied on resource "
            "'//aiplatform.googleapis.com/projects/p/locations/us/publishers/google/models/gemini' (or it may not "
            "exist)."
        ),
    ),
    (404, err("gpt-4o-mini does not exist")),
    (403, err("The model `x` is blocked at the organization level. The admin can enable this model.")),
    (404, err("Model not found, inaccessible, and/or not deployed")),
    (404, err("Your account 1 has not activated the model doubao.", code="ModelNotOpen")),
    (403, {"code": "AccessDenied.Unpurchased", "message": "Access to model denied. Are you eligible for using it?"}),
    (
        400,
        err(
            "Unable to access model x. Please visit our page to see the list of supported models.",
            code="model_not_available",
        ),
    ),
    (403, err("Access to gpt-4o-mini is denied")),
]

REQUEST: list[tuple[int, Any]] = [
    (403, err("You do not have permission to access the File abc or it may not exist.", status="PERMISSION_DENIED")),
    (403, err("CachedContent not found (or permission denied)", status="PERMISSION_DENIED")),
    (403, err("You do not have access to the organization's container cntr_1")),
    (403, err("Access to vector store vs_1 is denied")),
    (403, err("You have no authorization to access this file")),
    (401, err("Authentication required for the MCP server x: token expired")),
    (401, err("Failed to fetch the image: 401 Unauthorized, missing token")),
    (403, err("You do not have access to this assistant.")),
    (404, err("Thread thread_1 could not be located", type="not_found_error")),
    (403, err("Unable to download image from https://x: 403 Forbidden")),
    (401, err("Error retrieving tool list from MCP server: 'x'. Http status code: 401 (Unauthorized)")),
    (403, err("The batch batch_1 belongs to another project: access denied")),
    (403, err("Your organization does not have access to the web_search tool.")),
    (403, claude("Web search is not enabled for this organization.", "permission_error")),
    (403, claude("code execution is not available for this workspace", "permission_error")),
    (403, err("Your organization must be verified to generate reasoning summaries.")),
    (403, err("You are not authorized to use service_tier priority")),
    (403, err("Your organization has computer use disabled")),
    (403, err("This feature is disabled for your organization.")),
    (403, err("Country, region, or territory not supported", code="unsupported_country_region_territory")),
    (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "User location is not supported for the API use.",
                    "status": "FAILED_PRECONDITION",
                }
            }
        ],
    ),
    (451, {}),
    (451, err("Unavailable For Legal Reasons")),
    (
        403,
        "<html><title>Attention Required! | Cloudflare</title><body>Sorry, you have been blocked</body></html>",
    ),
    (403, "<html><head><title>403 Forbidden</title></head><body><center>cloudflare</center></body></html>"),
    (
        403,
        "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY>Reference #18.2d351ab8 https://errors.edgesuite.net/18</BODY>",
    ),
    (403, "<html><body>Request unsuccessful. Incapsula incident ID: 1-2</body></html>"),
    (403, "The requested URL was rejected. Please consult with your administrator. Your support ID is: 123"),
    (403, "error code: 1020"),
    (403, {"message": "Request blocked by WAF rule 942100"}),
    (403, {"error": {"message": "Blocked by guardrail pii-detector", "type": "guardrail_violation"}}),
    (403, {"statusCode": 403, "message": "Request failed content safety check."}),
    (403, {"error": "Prompt injection detected"}),
    (403, err("The request is prohibited due to a violation of provider Terms Of Service.", code=403)),
    (403, err("This model is not available in your region.", code=403)),
    (403, {"detail": "Your prompt violates our usage policy"}),
    (403, err("Request was blocked by your organization's data loss prevention policy")),
]

NOTHING: list[tuple[int, Any]] = [
    (401, {}),
    (401, "Unauthorized"),
    (403, {}),
    (403, "<html><head><title>403 Forbidden</title></head><body><center>nginx</center></body></html>"),
    (403, {"message": "Forbidden"}),
    (403, err("The caller does not have permission", status="PERMISSION_DENIED")),
    (403, claude("Your API key does not have permission to use the specified resource.", "permission_error")),
    (404, err("Requested entity was not found.", status="NOT_FOUND")),
    (404, claude("Could not find it", "not_found_error")),
]


def cases(several: list[tuple[int, Any]], expected: str | None) -> list[Any]:
    return [pytest.param(status, body, expected, id=f"{expected}: {str(body)[:90]}") for status, body in several]


@pytest.mark.parametrize(
    ("status", "body", "about"),
    [*cases(KEY, "key"), *cases(MODEL, "model"), *cases(REQUEST, "request"), *cases(NOTHING, None)],
)
def test_what_a_refusal_is_about(status: int, body: Any, about: str | None) -> None:
    """In the vendors' own words: what they are about, and no more than they say."""
    error = said(status, body)
    refused = {ErrorCode.AUTHENTICATION, ErrorCode.PERMISSION_DENIED, ErrorCode.MODEL_NOT_FOUND}
    if about == "request" and error.code not in refused:
        return  # a code that takes no target from anybody
    assert error.code in refused
    assert concern(error) == about


LIMITS: list[tuple[str | None, int, Any]] = [
    (
        "model",
        429,
        err(
            "Rate limit reached for gpt-4o-mini in organization org-1 on tokens per min (TPM): Limit 30000",
            type="tokens",
            code="rate_limit_exceeded",
        ),
    ),
    (
        "model",
        429,
        err("Rate limit reached for model `llama-3.3` in organization `org_1` on tokens per day (TPD)"),
    ),
    (
        "model",
        429,
        claude(
            "This request would exceed your organization’s rate limit of 30,000 input tokens per minute (model: c).",
            "rate_limit_error",
        ),
    ),
    (
        "model",
        429,
        claude(
            "This request would exceed the rate limit for your organization (1) of 20,000 input tokens per minute.",
            "rate_limit_error",
        ),
    ),
    (
        "model",
        429,
        err(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024 have exceeded "
            "token rate limit of your current AIServices S0 pricing tier. Please retry after 26 seconds.",
            code="429",
        ),
    ),
    ("model", 429, {"message": "You have reached the rate limit specific to this model x/y."}),
    (
        "model",
        429,
        err(
            "Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 100 seconds.",
            code="RateLimitReached",
        ),
    ),
    (
        "model",
        429,
        err(
            "Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per_base"
            "_model with base model: gemini.",
            status="RESOURCE_EXHAUSTED",
        ),
    ),
    (
        "model",
        429,
        err(
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
            code=429,
        ),
    ),
    (
        "model",
        429,
        {
            "code": "Some resource has been exhausted",
            "error": "Too many requests for team 1 and model grok-4: 10 of 10",
        },
    ),
    (
        "model",
        403,
        {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the model has been exhausted."},
    ),
    ("model", 429, err("No deployments available for selected model, Try again in 5 seconds.")),
    (
        "model",
        429,
        err("Your account [1] has reached the set inference limit for the [doubao] model", code="SetLimitExceeded"),
    ),
    ("model", 429, err("slow down", code="ModelAccountTpmRateLimitExceeded")),
    (
        "key",
        429,
        err("You exceeded your current quota, please check your plan and billing details.", code="insufficient_quota"),
    ),
    ("key", 400, claude("Your credit balance is too low to access the Anthropic API.", "invalid_request_error")),
    ("key", 402, err("Insufficient Balance")),
    ("request", 402, err("This request requires more credits, or fewer max_tokens. You can only afford 4000.")),
    ("request", 402, err("Prompt tokens limit exceeded: 5000 > 3000. To increase, visit us and upgrade.")),
    ("request", 429, err("ExceededBudget: End User=abc over budget. Spend=1.2, Budget=1.0", type="budget_exceeded")),
    ("key", 403, err("Key limit exceeded (total limit). Manage it at https://x", code=403)),
    (
        "key",
        429,
        claude("This request would exceed your account's rate limit. Please try again later.", "rate_limit_error"),
    ),
    (
        "key",
        429,
        err(
            "Your account org-1<ak-1> request reached max organization concurrency: 3, please try again",
            type="rate_limit_reached_error",
        ),
    ),
    ("key", 429, {"message": "You are using a Trial key, which is limited to 40 API calls / minute."}),
    ("key", 429, err("Rate limit exceeded for this API key")),
    ("key", 429, err("Rate limit of 10 per 60s exceeded for UserByMinute.")),
    ("key", 429, err("You have used up your daily free allocation of 10,000 neurons, please upgrade", code=4006)),
    (
        "key",
        429,
        claude(
            "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
            "invalid_request_error",
        ),
    ),
    (None, 429, {}),
    (None, 429, {"message": "Requests rate limit exceeded", "code": "1300"}),
    (None, 429, {"message": "Too many requests, please wait before trying again."}),
    (None, 402, {}),
]


def gemini(*ids: str) -> list[Any]:
    violations = [{"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": name} for name in ids]
    message = "You exceeded your current quota, please check your plan and billing details."
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}
    return [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [failure]}}]


LIMITS += [
    ("model", 429, gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier")),
    ("model", 429, gemini("GenerateContentInputTokensPerModelPerMinute-FreeTier")),
    ("key", 429, gemini("GenerateRequestsPerDayPerProject")),
    ("model", 429, err(json.dumps(gemini("GenerateRequestsPerMinutePerProjectPerModel")))),
]


@pytest.mark.parametrize(("about", "status", "body"), LIMITS, ids=[str(case[2])[:70] for case in LIMITS])
def test_what_a_limit_is_about(about: str | None, status: int, body: Any) -> None:
    """A limit of one model leaves the other models of the key alone; one of the account holds them all."""
    error = said(status, body)
    assert error.code in {ErrorCode.RATE_LIMITED, ErrorCode.QUOTA_EXHAUSTED}
    assert concern(error) == about


FAILED: list[tuple[str | None, int, Any]] = [
    ("request", 400, err("Failed to call a function. See 'failed_generation'.", code="tool_use_failed")),
    ("request", 400, err("Failed to validate JSON.", code="json_validate_failed")),
    (
        "request",
        409,
        err("Another process is currently operating on this conversation. Please retry in a few seconds."),
    ),
    ("request", 424, err("Error retrieving tool list from MCP server: 'x'. Http status code: 424 (Failed Dependency)")),
    ("request", 500, err("Timeout while downloading https://x/y.png: failed to download image")),
    (None, 409, {}),
    (None, 424, {}),
    (None, 500, err("The server had an error while processing your request.")),
    (None, 503, err("The model is overloaded. Please try again later.")),
    (None, 504, {}),
]


@pytest.mark.parametrize(("about", "status", "body"), FAILED, ids=[str(case[2])[:70] for case in FAILED])
def test_what_a_failure_is_about(about: str | None, status: int, body: Any) -> None:
    """What one request's tools, links or conversation met is no failure of the server."""
    error = said(status, body)
    assert error.code in {ErrorCode.SERVER_ERROR, ErrorCode.OVERLOADED}
    assert concern(error) == about


def test_other_codes_are_about_nothing() -> None:
    """What a breaker counts without words, and what it never counts."""
    assert concern(ProviderError(ErrorCode.CONNECTION_FAILED, "invalid API key")) is None
    assert concern(ProviderError(ErrorCode.INVALID_REQUEST, "the model does not exist")) is None
