"""What vendors and servers say, in their own words, and the code that each of it means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.classify import classify
from providers.errors import ErrorCode, ProviderError

NOW = 1_795_000_000.0


def of(status: int | None, body: Any, headers: dict[str, str] | None = None) -> ProviderError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(status, data, headers or {}, provider="p", model="m", now=NOW)


def err(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def claude(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


UNKNOWN_FIELDS: list[tuple[int, Any]] = [
    (400, err("Unrecognized request argument supplied: reasoning_effort", type="invalid_request_error")),
    (400, err("Unrecognized request arguments supplied: store, metadata")),
    (400, err("Unknown parameter: 'store'.", code="unknown_parameter", param="store")),
    (400, err("Unsupported parameter: 'max_tokens' is not supported with this model.", code="unsupported_parameter")),
    (400, [err('Invalid JSON payload received. Unknown name "seed": Cannot find field.', status="INVALID_ARGUMENT")]),
    (
        422,
        {
            "object": "error",
            "message": {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", "user"], "msg": "Extra inputs are not permitted"}
                ]
            },
        },
    ),
    (422, {"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "value_error.extra"}]}),
    (400, claude("metadata.tenant: Extra inputs are not permitted")),
    (400, err("property 'parallel_tool_calls' is unsupported", type="invalid_request_error")),
    (
        400,
        err(
            "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property "
            "'reasoning_content' is unsupported)]"
        ),
    ),
    (400, err('json: unknown field "top_k"')),
    (400, {"message": "unknown field: parameter 'seed' is not a valid field"}),
    (422, err("Failed to deserialize the JSON body into the target type: unknown field `store`, expected `model`")),
    (400, {"code": "invalid-argument", "error": "Argument not supported on this model: presencePenalty"}),
    (400, {"message": "Malformed input request: extraneous key [store] is not permitted, please reformat"}),
    (400, err("Additional properties are not allowed ('store' was unexpected)")),
    (400, err("Extra inputs are not permitted, field: 'user', value: 'u'")),
    (400, err("Unsupported parameter(s): `seed`")),
    (500, err("Completions.create() got an unexpected keyword argument 'store'")),
    (400, err("litellm.UnsupportedParamsError: x does not support parameters: ['seed'], for model=m")),
    (400, err("Extra parameters ['store'] are not allowed when extra-parameters is not set")),
    (400, {"title": "Bad Request", "status": 400, "detail": "Unsupported parameter: store"}),
    (400, {"errors": [{"code": 5006, "message": "Error: unknown property 'seed'"}], "success": False}),
    (400, err("Unrecognized key(s) in object: 'store'")),
]

CANNOT: list[tuple[int, Any]] = [
    (400, err('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', code=400)),
    (500, err("tools param requires --jinja flag", code=500, type="server_error")),
    (500, err("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj")),
    (400, err("At most 0 image(s) may be provided in one prompt.")),
    (400, err("openai/x is not a multimodal model")),
    (400, err("Invalid content type. image_url is only supported by certain models.")),
    (400, err("'messages.0.content' : value must be a string")),
    (400, err("Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`")),
    (404, err("No endpoints found that support tool use. To learn more visit: https://x/docs", code=404)),
    (404, err("No endpoints found that support image input", code=404)),
    (404, err("No endpoints found that can handle the requested parameters.", code=404)),
    (400, {"error": "registry.ollama.ai/library/x does not support tools"}),
    (400, {"error": '"x" does not support thinking'}),
    (400, err("This model doesn't support tool use in streaming mode.")),
    (400, err("Function calling is not enabled for this model")),
    (400, err("This response_format type is unavailable now")),
    (400, claude("`temperature` is deprecated for this model.")),
    (400, claude("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")),
    (400, claude("`temperature` may only be set to 1 when thinking is enabled.")),
    (400, claude("Thinking may not be enabled when tool_choice forces tool use.")),
    (400, claude("This model does not support assistant message prefill.")),
    (400, claude("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly false")),
    (400, claude("output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported")),
    (400, claude("tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")),
    (400, claude("Schema is too complex. Please reduce it")),
    (400, claude("max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-x")),
    (400, err("max_tokens is too large: 100000. This model supports at most 16384 completion tokens")),
    (400, err("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")),
    (400, err("invalid temperature: only 1 is allowed for this model", type="invalid_request_error")),
    (400, err("Unsupported value: 'temperature' does not support 0.2 with this model.", code="unsupported_value")),
    (400, err("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2")),
    (400, err("The `reasoning_content` in the thinking mode must be passed back to the API.")),
    (400, [err("Function call is missing a thought_signature in functionCall parts.", status="INVALID_ARGUMENT")]),
    (400, claude("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.")),
    (404, err("Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.")),
    (400, err("Function tools with reasoning_effort are not supported for m in /v1/chat/completions.")),
    (500, {"error": "model requires more system memory (26.1 GiB) than is available (15.9 GiB)"}),
    (
        404,
        {
            "error": {
                "code": 404,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error":{"message":"This model does not support tools"}}'},
            }
        },
    ),
]

OTHERS: list[tuple[int | None, Any, str]] = [
    # a missing model
    (400, err("{'error': 'Invalid model name passed in model=x. Call `/v1/models` to view available models'}"),
     "model_not_found"),
    (400, err("x/y is not a valid model ID", code=400), "model_not_found"),
    (404, err("No endpoints found for x/y.", code=404), "model_not_found"),
    (400, err("Model Not Exist"), "model_not_found"),
    (404, err("The model `x` does not exist.", type="NotFoundError", code=404), "model_not_found"),
    (404, err("The model `x` does not exist or you do not have access to it."), "model_not_found"),
    (404, claude("model: claude-x", "not_found_error"), "model_not_found"),
    (404, [err("models/x is not found for API version v1beta, or is not supported for generateContent.")],
     "model_not_found"),
    (400, err("The requested model is not supported.", code="model_not_supported"), "model_not_found"),
    (400, err("Unable to access non-serverless model x. Please create a dedicated endpoint"), "model_not_found"),
    (400, err("The model `x` has been decommissioned and is no longer supported."), "model_not_found"),
    (410, err("gone"), "model_not_found"),
    (404, {"title": "Not Found", "status": 404, "detail": "Function 'x': Not found for account 'y'"},
     "model_not_found"),
    (400, {"success": False, "errors": [{"code": 5007, "message": "No such model @cf/x"}]}, "model_not_found"),
    (400, err("Model 'gpt-5.2-proo' was not found."), "model_not_found"),
    (404, err("Not found the model x or Permission denied", type="resource_not_found_error"), "model_not_found"),
    (400, err("Model Qwen2.5-7B is still loading"), "overloaded"),
    # another thing is missing
    (404, err("Previous response with id 'resp_1' not found.", code="previous_response_not_found"), "invalid_request"),
    (404, err("No such File object: file-1", type="invalid_request_error"), "invalid_request"),
    # a gateway's or a server's trouble that comes as a 400, or as a status of its own
    (400, err("The request queue is full, retry later"), "overloaded"),
    (400, {"error": "Model unloaded."}, "overloaded"),
    (400, err("There are no healthy deployments for this model."), "overloaded"),
    (503, {"error": "Model x is currently loading", "estimated_time": 20.0}, "overloaded"),
    (400, err("Provider returned error"), "server_error"),
    (400, err("Internal server error"), "server_error"),
    (400, err("The model has crashed without additional information. (Exit code: 6)"), "server_error"),
    (409, b"", "server_error"),
    (409, claude("Conflict", "conflict_error"), "server_error"),
    (405, {"detail": "Method Not Allowed"}, "unsupported"),
    (421, b"", "server_error"),
    (424, b"", "server_error"),
    (425, b"", "overloaded"),
    (451, b"", "permission_denied"),
    (501, b"", "unsupported"),
    (502, b"<html><head><title>api.x.com | 502: Bad gateway</title></head></html>", "server_error"),
    (524, b"<html><title>api.x.com | 524: A timeout occurred</title></html>", "server_error"),
    # rates
    (429, {"message": "Too many tokens, please wait before trying again."}, "rate_limited"),
    (400, {"message": "ThrottlingException: Too many requests, please wait"}, "rate_limited"),
    (429, err("No deployments available for selected model, Try again in 60 seconds. Passed model=x."), "rate_limited"),
    (429, err("exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds. Please "
              "go here: https://aka.ms/oai/quotaincrease", code="429"), "rate_limited"),
    (429, err("You exceeded your quota of 10 requests per minute"), "rate_limited"),
    (429, {"status": 429, "title": "Too Many Requests"}, "rate_limited"),
    # money
    (402, err("Insufficient funds. Please add credits to your account to continue.", type="insufficient_funds"),
     "quota_exhausted"),
    (402, {"error": "You have depleted your monthly included credits."}, "quota_exhausted"),
    (403, {"code": "The caller does not have permission to execute the specified operation",
           "error": "Your newly created team doesn't have any credits yet. You can purchase credits on https://x"},
     "quota_exhausted"),
    (403, {"code": "permission-denied", "error": "Your team t has either used all available credits or reached its "
           "monthly spending limit."}, "quota_exhausted"),
    (429, err("You have exceeded your premium request allowance.", code="quota_exceeded"), "quota_exhausted"),
    (403, err("Key limit exceeded (total limit).", code=403), "quota_exhausted"),
    (402, {"status": 402, "title": "Payment Required", "detail": "Account 'x': Cloud credits expired"},
     "quota_exhausted"),
    (400, err("Budget has been exceeded! Current cost: 2, Max budget: 1", type="budget_exceeded"), "quota_exhausted"),
    (403, {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the model has been exhausted."},
     "quota_exhausted"),
    (400, {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
     "quota_exhausted"),
    (None, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "quota_exhausted"),
    (None, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "rate_limited"),
    (None, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "authentication"),
    (None, {"base_resp": {"status_code": 2013, "status_msg": "invalid params, context window exceeds limit (2013)"}},
     "context_length_exceeded"),
    # keys and rights
    (401, err("key not allowed to access model. This key can only access models=['a']", type="key_model_access_denied"),
     "permission_denied"),
    (401, err("No auth credentials found", code=401), "authentication"),
    (403, err("Country, region, or territory not supported"), "permission_denied"),
    (404, err("No endpoints found matching your data policy (Free model publication)."), "model_not_found"),
    # policy
    (400, err("The request was rejected because it was considered high risk", type="content_filter"),
     "content_filtered"),
    (400, err("litellm.ContentPolicyViolationError: blocked"), "content_filtered"),
    # the caller's own fault stays the caller's
    (400, err("Invalid 'messages[0].role': expected one of user, assistant"), "invalid_request"),
    (400, err("`temperature` must be between 0 and 2"), "invalid_request"),
    (400, err("messages: at least one message is required"), "invalid_request"),
    (422, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]}, "invalid_request"),
    (400, err("Invalid value: 'robot'. Supported values are: 'system', 'user'."), "invalid_request"),
    (400, claude("tool_use ids were found without tool_result blocks immediately after: t1"), "invalid_request"),
    (400, err("Invalid 'messages[0].content[0].image_url'. Expected a valid URL.", code="invalid_value"),
     "invalid_request"),
    (400, err("Invalid request for model gpt-4"), "invalid_request"),
    (400, err("The fields a and b are in conflict"), "invalid_request"),
    (400, err("We could not parse the JSON body of your request."), "invalid_request"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), UNKNOWN_FIELDS + CANNOT)
def test_what_a_target_cannot_do_is_unsupported(status: int, body: Any) -> None:
    """So that another target gets the request, and no breaker takes this one from requests that it can serve."""
    assert of(status, body).code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize(("status", "body", "code"), OTHERS)
def test_other_failures_by_their_words(status: int | None, body: Any, code: str) -> None:
    """Gateways choose statuses freely; what is said decides."""
    assert of(status, body).code == code
