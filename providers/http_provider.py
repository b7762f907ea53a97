"""What all providers over HTTP share: the call, the stream, and what becomes of every failure.

A subclass says how a request is written and how an answer is read; it makes no call itself.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.answer_parts import told_cost
from providers.answers import checked, clean, finished
from providers.base import ChunkStream
from providers.classify import classify, classify_payload, error_in, parse_json
from providers.credentials.keeper import Credential
from providers.embeddings import AnyRequest
from providers.errors import ErrorCode, ProviderError
from providers.harmless import harmless
from providers.model_list import all_names
from providers.native import NativeDecoder, as_unsupported, native_body, ours, quotes, translated, with_headers
from providers.parts import LARGE, is_large, unsaid
from providers.refused_fields import RefusedFields, refused, without
from providers.schemas.adapt import adapted, says_words_alone
from providers.schemas.rules import GENERIC, VendorSchemas
from providers.schemas.way_back import DecoderBack, way_back
from providers.scrub import Scrubber
from providers.settings import ProviderSettings
from providers.stream_reading import (
    LineDecoder,
    StreamDecoder,
    StreamState,
    beginning,
    is_stream,
    no_json,
    read_chunks,
    with_left_out,
)
from providers.surrogates import encode_json
from providers.threads import in_thread
from providers.timeouts import bounded, for_call, timed
from providers.transport.headers import TELLING, remaining_quota, request_id_of
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    ModelCapabilities,
    Native,
    RemainingQuota,
    ServerTool,
    StreamChunk,
    Timeout,
    TokenCount,
    WireProtocol,
)
from providers.validation import validate

if TYPE_CHECKING:
    from providers.transport.http import HttpClient
    from providers.transport.response import HttpResponse

_NOTHING: tuple[str, ...] = ()
_EARLIER = ("thinking of earlier turns",)
_REPEATS = 4  # of a call without what was refused: some vendors name one field at a time
_NOBODY = CompletionRequest(model="", messages=())  # who asks beside the chat


class HttpProvider(ABC):
    """Base of the providers over HTTP. Every failure that leaves it is a `ProviderError` without the key in it."""

    default_base_url: ClassVar[str]
    models_path: ClassVar[str] = "/models"
    line_decoder: ClassVar[type[LineDecoder]]
    # Content types of answers that are no stream though one was asked for: an error, or `stream` was ignored.
    whole_types: ClassVar[frozenset[str]] = frozenset({"application/json", "text/html"})
    cost_header: str | None = None  # that tells beside a plain answer what it costs
    cache_header: str | None = None  # that tells the vendor's cache which conversation it is: `headers_of` has it

    def __init__(self, settings: ProviderSettings) -> None:
        self.name, self.settings = settings.name, settings
        self._http: HttpClient | None = None
        self._validates = settings.options.get("validate", True) is True
        self._quotas: dict[str, RemainingQuota] = {}  # by model
        self._refused = RefusedFields()
        self.credential = None if settings.credential is None else Credential(settings.credential, settings.name)
        self._scrub = Scrubber(settings, self.credential)

    # --- what a subclass says

    @abstractmethod
    def key_headers(self, key: str, *, bearer: bool = False) -> dict[str, str]:
        """The headers that carry a key, or with `bearer` a token that is no key of the vendor's."""

    def auth_headers(self) -> dict[str, str]:
        """The headers of every request, with those that carry the settings' key."""
        return self.key_headers(self.settings.secret) if self.settings.secret else {}

    @abstractmethod
    def encode(self, request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        """The path below the base URL (it may have a query), and the JSON body."""

    @abstractmethod
    def decode(self, body: Any, request: CompletionRequest, request_id: str | None) -> CompletionResponse:
        """Read a plain answer; raises ProviderError when it is none, or carries an error (`error_in`)."""

    @abstractmethod
    def stream_decoder(self, request: CompletionRequest, request_id: str | None) -> StreamDecoder:
        """A fresh decoder for one stream."""

    @property
    def schema_rules(self) -> VendorSchemas:
        """What the vendor takes of JSON Schema and of names."""
        return GENERIC

    def wire(self, request: CompletionRequest) -> WireProtocol | None:
        """The protocol that a request goes out in; None: no client's own body is sent."""
        return None

    def placed(self, body: dict[str, Any], request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        """The path for a client's own body in the protocol of `wire`, and the body as this endpoint takes it."""
        raise AssertionError("a provider that has a wire says where its bodies go")

    def headers_of(self, request: AnyRequest) -> dict[str, str]:
        return dict(request.extra_headers or {})

    def runs(self, tool: ServerTool, request: CompletionRequest) -> bool:
        """Whether the vendor is known to have a tool of its own of this name."""
        return False

    def supports_prefill(self, model: str) -> bool:
        """Whether the model goes on from a last assistant message as its own beginning."""
        return False

    def without_rejected_fields(self, request: CompletionRequest, error: ProviderError) -> CompletionRequest | None:
        """The same request without what the vendor refused of its history, where leaving that out changes nothing;
        None: it stands. It is sent in the place of the refused one. Plain fields are left out by themselves.
        """
        return None

    def capabilities(self, model: str) -> ModelCapabilities:
        return ModelCapabilities()

    def encode_count(self, request: CompletionRequest) -> tuple[str, dict[str, Any]] | None:
        """Path and body of the vendor's counting endpoint; None where it has none."""
        return None

    # --- what is given

    @property
    def base_url(self) -> str:
        return self.settings.base_url or self.default_base_url

    def count_tokens(self, messages: Sequence[Message], model: str) -> TokenCount:
        from providers.tokens import count_tokens  # here: it loads a tokenizer

        return count_tokens(messages, model)

    def complete(self, request: CompletionRequest) -> Coroutine[Any, Any, CompletionResponse]:
        """Ask, and wait for the whole answer; raises ProviderError, whatever failed."""
        timeout = self._timeout_of(request)
        if timeout.answer is None and timeout.total is None:
            return self._complete(request)
        return bounded(self._complete(request), timeout, provider=self.name, model=request.model)

    def stream(self, request: CompletionRequest) -> ChunkStream:
        """Ask, and get the answer piece by piece; nothing is sent before the first chunk is asked for."""
        state = StreamState(self.name, request.model)
        chunks: AsyncIterator[StreamChunk] = self._stream(request, state)
        timeout = self._timeout_of(request)
        if not (timeout.first_token is None and timeout.idle is None and timeout.total is None):
            chunks = timed(chunks, timeout, provider=self.name, model=request.model, heard=state.heard)
        scrub = self._scrub  # not the provider: whoever keeps a stream that has ended keeps no connections

        def response() -> CompletionResponse:
            return clean(state.response(), request, scrub)

        return ChunkStream(chunks, response, state.heard)

    async def count_exact(self, request: CompletionRequest) -> TokenCount:
        """The tokens of a request's prompt, tools and images included, as the vendor's own endpoint counts them; raises
        ProviderError: UNSUPPORTED where the vendor has no such endpoint, else whatever failed.
        """
        validate(request)
        asked = self.encode_count(adapted(request, self.schema_rules))
        if asked is None:
            message = "this vendor has no endpoint that counts tokens"
            raise ProviderError(ErrorCode.UNSUPPORTED, message, provider=self.name, model=request.model)
        body = await self._ask("POST", *asked, request)
        tokens = body.get("input_tokens") if isinstance(body, dict) else None
        if type(tokens) is not int:
            raise self._finished(ProviderError(ErrorCode.PROTOCOL_ERROR, "the answer has no input_tokens"), request)
        return TokenCount(tokens, True, self.settings.kind)

    async def list_models(self) -> tuple[str, ...]:
        """The ids of the models that the vendor offers now, sorted; raises ProviderError, whatever failed."""
        found = await all_names(self.models_path, lambda path: self._ask("GET", path, None, _NOBODY))
        return tuple(sorted(set(map(self._scrub.own, found))))

    async def ask_health(self, path: str) -> None:
        """Ask the server whether it is well, by a path of its host; raises ProviderError where it is not."""
        await self._ask("GET", f"/{path}", None, _NOBODY, read=len)

    async def _ask(self, method: str, path: str, body: Any, request: CompletionRequest, read: Any = parse_json) -> Any:
        """One small question beside the chat; gives the answer as it is read."""
        try:
            return read(await (await self._send(method, path, body, request)).read())
        except ValueError:
            raise self._finished(ProviderError(ErrorCode.PROTOCOL_ERROR, "the answer is no JSON"), request) from None
        except ProviderError as error:
            raise self._finished(error, request)  # noqa: B904 - the same error, completed

    def remaining_quota(self, model: str) -> RemainingQuota | None:
        """What the newest answer's headers say is left of the vendor's limits; told once, None where they do not."""
        return self._quotas.pop(model, None) if self._quotas else None

    async def aclose(self) -> None:
        """Close the connections."""
        if self.credential is not None:
            self.credential.close()
        if self._http is not None:
            await self._http.aclose()

    @staticmethod
    def preload() -> None:
        """Import what carries the requests, which takes some tenths of a second."""
        import_module("providers.transport.http")
        import_module("encodings.idna")  # which a host's look-up needs

    # --- how it is done

    def _timeout_of(self, request: CompletionRequest) -> Timeout:
        return for_call(self.settings.timeout, request.timeout) if request.timeout else self.settings.timeout

    async def _complete(self, request: CompletionRequest) -> CompletionResponse:
        try:
            response, left_out = await self._open(request, stream=False)
            data = await response.read()
            whole = data, response, request
            answer = await in_thread(self._whole, *whole) if len(data) > LARGE else self._whole(*whole)
            return with_left_out(answer, left_out) if left_out else answer
        except ProviderError as error:
            raise self._finished(error, request)  # noqa: B904 - the same error, completed

    async def _stream(self, request: CompletionRequest, state: StreamState) -> AsyncIterator[StreamChunk]:
        try:
            response, state.left_out = await self._open(request, stream=True)
            try:
                start = await beginning(response, state)
                if is_stream(response, start, self.line_decoder, self.whole_types):
                    state.decoder = self._stream_decoder(request, request_id_of(response.headers))
                    reading = read_chunks(start, self.line_decoder(), response, request, state)
                    start = b""  # nobody needs it while its chunks are given out
                    async with aclosing(reading) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    return
                data = start + await response.read()
                whole = data, response, request
                state.whole = await in_thread(self._whole, *whole) if len(data) > LARGE else self._whole(*whole)
                for chunk in as_chunks(state.whole):
                    yield chunk
            finally:
                await response.aclose()
        except ProviderError as error:
            raise self._finished(state.failure(error), request)  # noqa: B904 - the same error, completed

    def _stream_decoder(self, request: CompletionRequest, request_id: str | None) -> StreamDecoder:
        """A fresh decoder for one stream, which gives names and arguments as the caller knows them."""
        decoder = self.stream_decoder(request, request_id)
        if says_words_alone(request):
            return decoder
        if (native := self._native(request)) is not None:
            return NativeDecoder(decoder, native, self._sent_key)
        back = way_back(request, self.schema_rules)
        return decoder if back is None else DecoderBack(decoder, back)

    async def _open(self, request: CompletionRequest, *, stream: bool) -> tuple[HttpResponse, tuple[str, ...]]:
        """Send the request, again without what was refused without need. Gives an answer whose status is 200, or
        raises what it stands for; and the names of what was not sent."""
        if self._validates:
            validate(request)
        native, untold, large, edited = None, _NOTHING, False, False
        if not says_words_alone(request):
            native, large = self._native(request), is_large(request)
            if native is None:
                request, untold = translated(request, self.name, self.schema_rules, self.runs)
            elif native.headers:
                request = with_headers(request, {**self.auth_headers(), **self.settings.headers})
        encode = self.encode if native is None else self._encode_native
        refusals, left_out = self._refused.get(request.model, ()), _NOTHING  # what was said before
        for repeats in range(_REPEATS + 1):
            path, body = await in_thread(encode, request, stream=stream) if large else encode(request, stream=stream)
            if refusals:
                body, left_out = without(body, refusals if native is None else ours(refusals, body, native))
            try:
                sent = await in_thread(encode_json, body) if large else body
                response = await self._send("POST", path, sent, request)
            except ProviderError as error:
                more = refused(error, body)
                if native is not None:
                    more = ours(more, body, native)
                other = None if more or edited else self.without_rejected_fields(request, error)
                if repeats == _REPEATS or not (more or other):
                    raise
                refusals += more
                request, edited = other or request, edited or other is not None
            else:
                if repeats and refusals:
                    self._refused.learn(request.model, refusals)
                left_out += unsaid(request, body, left_out, native)
                return response, untold + left_out + (_EARLIER if edited else _NOTHING)
        raise AssertionError("unreachable: the last try returns or raises")

    def _native(self, request: CompletionRequest) -> Native | None:
        """The client's own body, where it is in the protocol that the vendor is asked in."""
        native = request.native
        return native if native is not None and native.protocol == self.wire(request) else None

    def _encode_native(self, request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        body = native_body(request, partial(self.encode, stream=stream), f"{self.name}/{request.model}", stream=stream)
        return self.placed(body, request, stream=stream)

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | bytes | None, request: AnyRequest, *, again: bool = False
    ) -> HttpResponse:
        call = None if self.credential is None else self.credential.call(self.key_headers)
        http = self._http or self._client()
        response = await http.open(
            method,
            path,
            encode_json(body) if isinstance(body, dict) else body,
            headers=self.headers_of(request) if self.cache_header else request.extra_headers,
            connect=request.timeout.get("connect") if request.timeout else None,
            authorize=call,
        )
        if 200 <= response.status < 300:
            if not TELLING.isdisjoint(response.headers):
                try:  # as `with harmless` does, without its calls
                    if (told := remaining_quota(response.headers, time.time())) is not None:
                        self._quotas[request.model] = told
                except Exception as trouble:
                    harmless.note(trouble)
            return response
        try:
            said = await response.beginning(256 * 1024)  # none is enough: the status tells
            of, headers = request.model, response.headers
            error = classify(response.status, said, headers, provider=self.name, model=of, now=time.time())
        finally:
            await response.aclose()
        if call is not None and call.was_refused(error, response.headers):
            if not again and self.settings.options.get("max_retries", 2):  # a router tries again itself
                return await self._send(method, path, body, request, again=True)
            error.stale_credential = True
        raise error

    @property
    def _sent_key(self) -> str | None:
        return self.settings.secret if self.credential is None else self.credential.sent

    def _client(self) -> HttpClient:
        from providers.transport.http import HttpClient  # here: it loads the HTTP library

        headers = {"content-type": "application/json", **self.auth_headers()}
        self._http = HttpClient(self.settings, default_base_url=self.default_base_url, headers=headers)
        return self._http

    def _whole(self, data: bytes, response: HttpResponse, request: CompletionRequest) -> CompletionResponse:
        """Read a plain answer with status 200."""
        request_id = request_id_of(response.headers)
        try:
            body = parse_json(data)
        except ValueError:
            raise no_json(data, response.status, request_id) from None
        try:
            answer = self.decode(body, request, request_id)
        except ProviderError:
            if not error_in(body):
                raise
            of, headers = request.model, response.headers
            raise classify_payload(body, None, headers, provider=self.name, model=of, now=time.time()) from None
        if self.cost_header is not None and answer.cost is None and (told := response.headers.get(self.cost_header)):
            answer = replace(answer, cost=told_cost(told))
        answer = clean(checked(answer, request), request, self._scrub)
        if request.native is not None and self._native(request) is not None:
            return replace(answer, native=not quotes(data, self._sent_key))
        back = way_back(request, self.schema_rules) if answer.tool_calls else None  # it is the way of calls alone
        return answer if back is None else back.answer(answer)

    def _finished(self, error: ProviderError, request: CompletionRequest) -> ProviderError:
        """Complete the error with our names, and take the secrets out of all that it says and holds."""
        if self._native(request) is not None:
            as_unsupported(error)
        return finished(error, request, self.name, self._scrub)
