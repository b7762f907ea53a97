"""Tool calls put together from what servers send of them, for all protocols.

No single field can be trusted. Reported of compatible servers: no `index`, or 0 for every call; a new id in every
fragment; one call under two indexes; arguments sent again whole at the end, or whole and longer each time; names
repeated; entries without a name. So a fragment belongs where its text still makes JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from providers.accumulate import parse_arguments
from providers.lenient_json import OF_GOOGLE, as_dict, meant_arguments, synthetic_id
from providers.types import ToolCall, ToolCallDelta

# What may stand at the end of JSON that is cut: half a number, half a word.
_CUT = re.compile(r"\s*(?:[-+.eE]+|t|tr|tru|f|fa|fal|fals|n|nu|nul)?")


_READ_AGAIN = 16 * 1024  # characters of arguments that are read again when a piece looks like a repetition


class _Call:
    """One call that is being put together."""

    __slots__ = (
        "attached",
        "doubt",
        "echo",
        "flows",
        "id",
        "literal",
        "name",
        "parts",
        "place",
        "repeated",
        "sent",
        "sent_id",
    )

    def __init__(self) -> None:
        self.id: str | None = None  # the vendor's own
        self.name = ""
        self.parts: list[str] = []  # of the arguments
        self.literal = False  # free text, not JSON
        self.place = -1  # among the calls that are shown
        self.sent_id = ""
        self.sent = 0  # parts that were shown; the text before them never changes
        self.flows = False  # whether arguments are shown as they come
        self.doubt: str | None = None  # the arguments, should the last fragment have begun them anew
        self.echo = 0  # characters of the finished arguments that were sent again
        self.repeated = False  # named again after its end: perhaps another call begins
        self.attached: dict[str, Any] = {}  # the vendor's own, to go back with the call

    @property
    def text(self) -> str:
        if len(self.parts) > 2:
            self.parts = ["".join(self.parts[: self.sent]), "".join(self.parts[self.sent :])]
            self.sent = 1
        return "".join(self.parts)

    @property
    def ended(self) -> bool:
        """Whether the arguments are an object by now."""
        return bool(self.parts) and self.parts[-1].rstrip()[-1:] in ("}", "") and _is_object(self.text)

    def goes_on(self, piece: str) -> bool:
        """Whether a piece can only be more of the arguments, all of which were shown as they came."""
        return self.flows and self.doubt is None and not self.echo and piece.lstrip()[:1] != "{"

    def settled(self) -> str:
        """The arguments as they are meant, as far as they are known."""
        text = self.text
        if self.literal:
            return text
        if self.doubt is not None and not _is_object(text) and _is_object(self.doubt):
            return self.doubt
        return meant_arguments(text)


class ToolCallAssembler:
    """Takes fragments, gives the deltas that a consumer can append, and the calls.

    A call is shown once its name is known; entries that never get one are left out. Arguments are held back while a
    later fragment may change them: text that is no JSON object (`null`, an object inside a string), an empty object
    (some servers begin with one), and what may be a repetition. `finish()` gives them.
    """

    __slots__ = ("_beside", "_by_id", "_by_index", "_calls", "_shown", "_taken")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._shown: list[_Call] = []
        self._taken: set[str] = set()  # the ids of those
        self._by_index: dict[object, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._beside: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._shown)

    def begin(self, index: object) -> None:
        """A call begins, whatever came before; fragments with this index are its own until the next one begins."""
        self._by_index[index] = self._open()

    def add(
        self, index: object, call_id: str | None, name: str | None, arguments: str, *, literal: bool = False
    ) -> ToolCallDelta | None:
        """Take a fragment; None when it brings nothing to show.

        Args:
            index: what the server numbers the call by; None where it does not.
            literal: the arguments are free text, not JSON.
        """
        if call_id is None and name is None:
            if not arguments:
                return None
            known = self._by_index.get(index) if index is not None else None
            if known is not None and known.literal is literal and known.goes_on(arguments):
                known.parts.append(arguments)
                known.sent = len(known.parts)
                return ToolCallDelta(known.place, None, None, arguments)
        call = self._call_of(index, call_id, name, arguments)
        if index is not None:
            self._by_index[index] = call
        if call_id is not None:
            self._by_id[call_id] = call
            call.id = call_id
        call.repeated = call.repeated or (name is not None and not arguments and call.ended)
        call.name = call.name or name or ""
        call.literal = call.literal or literal
        if arguments:
            call = self._take(call, arguments, index)
        return self._show(call)

    def finish(self) -> tuple[ToolCallDelta, ...]:
        """What was held back, and what goes back with the calls."""
        found = []
        for call in self._shown:
            settled = call.settled()
            rest = settled[sum(map(len, call.parts[: call.sent])) :]
            call.parts, call.sent, call.doubt = [settled], 1, None
            opaque = self._opaque(call)
            if rest or opaque:
                found.append(ToolCallDelta(call.place, None, None, rest, opaque))
        return tuple(found)

    def calls(self, origin: str | None = None) -> tuple[ToolCall, ...]:
        """The calls so far; `origin` is who made them, as `provider/model`."""
        found = []
        for call in self._shown:
            raw = call.settled()
            arguments = None if call.literal else parse_arguments(raw)
            opaque = self._opaque(call)
            found.append(ToolCall(call.sent_id, call.name, arguments, raw, opaque, origin if opaque else None))
        return tuple(found)

    # --- what goes back with them

    def attach(self, index: object, call_id: str | None, opaque: dict[str, Any]) -> None:
        """Keep what a vendor wants back with a call, see `opaque_of_call`; it may come before or after the call.

        It belongs to the call of that id, else of that index, else to the newest; where none is, it stands beside.
        """
        call = self._by_id.get(call_id or "") or self._by_index.get(index)
        if call is None and self._calls:
            call = self._calls[-1]
        if call is None:
            self.attach_beside(opaque)
            return
        for field, value in opaque.items():
            call.attached[field] = {**call.attached.get(field, {}), **value}

    def attach_beside(self, opaque: dict[str, Any]) -> None:
        """Keep a signature that came on the message: it is the first call's where no call has one."""
        google = as_dict(opaque.get(OF_GOOGLE)).get("google")
        if isinstance(google, dict) and google.get("thought_signature"):
            self._beside = {OF_GOOGLE: opaque[OF_GOOGLE]}

    def _opaque(self, call: _Call) -> dict[str, Any] | None:
        """What goes back with a call."""
        if self._beside and call.place == 0 and not any(other.attached for other in self._shown):
            return self._beside
        return call.attached or None

    # --- which call

    def _call_of(self, index: object, call_id: str | None, name: str | None, arguments: str) -> _Call:
        call = self._by_index.get(index) if index is not None else None
        known = self._by_id.get(call_id) if call_id is not None else None
        if known is not None:
            call = known
        elif call is None and self._calls and (index is None or (name is None and call_id is None)):
            call = self._calls[-1]
        if call is None or _is_another(call, index, call_id, name, arguments):
            call = self._open()
        return call

    def _open(self) -> _Call:
        call = _Call()
        self._calls.append(call)
        return call

    # --- its arguments

    def _take(self, call: _Call, piece: str, index: object) -> _Call:
        """Add a piece of the arguments; gives the call that it went to."""
        if call.doubt is not None:
            _resolve(call, piece)
        elif call.literal or not (call.echo or (call.parts and piece.lstrip()[:1] == "{")):
            call.parts.append(piece)
        elif call.echo or call.ended:
            return self._take_again(call, piece, index)
        elif piece.startswith(call.text):  # whole again, and longer
            call.doubt = piece
            call.parts.append(piece)
            _decide(call)
        elif _is_filled(piece) and not _can_go_on(call.text + piece):
            _restart(call, piece)
        else:
            call.parts.append(piece)
        return call

    def _take_again(self, call: _Call, piece: str, index: object) -> _Call:
        """Take what comes after arguments that were complete: the same again, or something new."""
        text = call.text
        if text.startswith(piece, call.echo):
            call.echo = (call.echo + len(piece)) % len(text)
            return call
        piece, call.echo = text[: call.echo] + piece, 0
        if text.strip() == "{}":
            call.parts = [piece]
        elif call.repeated and not _same(text, piece):
            other = self._open()
            other.name, other.parts = call.name, [piece]
            if index is not None:
                self._by_index[index] = other
            return other
        elif not _same(text, piece) and piece.strip() != "{}":  # some close with an empty object
            call.parts.append(piece)
        return call

    # --- showing

    def _show(self, call: _Call) -> ToolCallDelta | None:
        if not call.name:
            return None
        new_id = new_name = None
        if call.place < 0:
            call.place = len(self._shown)
            free = call.id if call.id not in self._taken else None
            new_id = call.sent_id = free or synthetic_id(call.place, call.name)
            self._taken.add(new_id)
            new_name = call.name
            self._shown.append(call)
        if not call.flows and call.parts:
            head = call.text.strip()
            call.flows = call.literal or (head[:1] == "{" and head not in ("{", "{}"))
        pieces = ""
        if call.flows and call.doubt is None:
            pieces = "".join(call.parts[call.sent :])
            call.sent = len(call.parts)
        if new_id is None and not pieces:
            return None
        return ToolCallDelta(call.place, new_id, new_name, pieces)


def _is_another(call: _Call, index: object, call_id: str | None, name: str | None, arguments: str) -> bool:
    """Whether a fragment for this index, or without one, begins another call."""
    if name is not None and call.name and name != call.name:
        return True
    same_id = call_id is None or call.id is None or call_id == call.id
    if (name is None and same_id) or call.literal:
        return False
    begins = arguments.lstrip()[:1] == "{"
    if call.ended:
        text = call.text
        repeats = text.startswith(arguments, call.echo) or _same(text, arguments)
        if same_id:
            return begins and not repeats and text.strip() != "{}"
        return name is not None or not repeats
    if index is None and not same_id and name is not None:
        return True
    # Some servers make a new id for each fragment, so it says little as long as the arguments go on.
    if same_id or not begins or not call.parts:
        return False
    return not arguments.startswith(call.text) and not _can_go_on(call.text + arguments)


def _resolve(call: _Call, piece: str) -> None:
    """Take the piece that comes after one that may have begun the arguments anew."""
    assert call.doubt is not None
    if piece.startswith(call.doubt):
        _restart(call, piece)
        return
    call.parts.append(piece)
    call.doubt += piece
    _decide(call)


def _decide(call: _Call) -> None:
    """End the doubt when only one of the two readings still makes JSON."""
    assert call.doubt is not None
    if not _can_go_on(call.text):
        _restart(call, call.doubt)
    elif not _can_go_on(call.doubt):
        call.doubt = None


def _restart(call: _Call, text: str) -> None:
    """The arguments are this text; what was shown of them stays."""
    shown = "".join(call.parts[: call.sent])
    if not text.startswith(shown):
        text = _compact(text)
    call.doubt = None
    if text.startswith(shown):
        call.parts = [shown, text[len(shown) :]]
        call.sent = 1 if shown else 0
    else:  # what was shown was something else: the call is right, its deltas cannot be
        call.parts, call.sent = [text], 1


def _is_object(text: str) -> bool:
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _is_filled(text: str) -> bool:
    return '"' in text and _is_object(text)


def _same(one: str, other: str) -> bool:
    """Whether both are the same object, in whatever spelling."""
    return _is_object(other) and _is_object(one) and bool(msgspec.json.decode(one) == msgspec.json.decode(other))


def _compact(text: str) -> str:
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _can_go_on(text: str) -> bool:
    """Whether the text is JSON, or the beginning of some. A long one is believed: to read it for each piece is slow."""
    if len(text) > _READ_AGAIN:
        return True
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string"):
            return True
        if error.msg.startswith("Invalid \\"):
            return len(text) - error.pos <= len("\\uXXXX")
        return not error.msg.startswith("Extra data") and _CUT.fullmatch(text, error.pos) is not None
    except (ValueError, RecursionError):
        return True
    return True
