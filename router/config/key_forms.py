"""Keys as other tools write them, and placeholders of documentation: neither is a key, and each call would fail."""

from __future__ import annotations

import re

_NAME = r"[A-Za-z_][A-Za-z0-9_.]{0,100}"
# A variable: of a shell ($NAME, $(NAME), %NAME%, $env:NAME), LiteLLM (os.environ/NAME), Python, Node, Jinja, Mustache,
# GitHub Actions, opencode ({env:NAME}); or its name alone.
_VARIABLE = (
    r"\$?\(?\s{0,4}\$?\{{0,3}\s{0,4}(?i:(?:os\.environ|process\.env|env|environ|secrets?|vault)\s{0,4}(?:://|[./:\[]))?"
    rf"\s{{0,4}}({_NAME})\s{{0,4}}[\}}\]]{{0,3}}\)?"
    rf"|%({_NAME})%"
    rf"|os\.(?:environ|getenv|environ\.get)\s{{0,4}}[\[(]\s{{0,4}}[\"']?({_NAME})[\"']?\s{{0,4}}[\])]"
)
_MARKED = r"(?i)[$({%]|(?:os\.|process\.env|env|environ|secrets?|vault)[./:\[]|os\."
_LIKE_A_VARIABLE = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|SECRET)"
_SURELY_A_NAME = r"[A-Z]+(?:_[A-Z0-9]+)*"
_FILE = r"(?:\$\()?file:\S.*"
_PLACEHOLDER = (
    r"(?i)"
    r"<.*>|\[.*\]|(?:[a-z]{1,6}-){0,3}(?:\.{3,}|…|x{3,}|\*{3,})\S*"
    r"|(?:\S{0,20}[-_ ])?your[-_ ].*|change[-_ ]?me|replace[-_ ]?(?:me|this|with).*|to[-_ ]?do"
    r"|(?:insert|enter|put|add)[-_ ].*key.*"
)


def remedy(value: str, provider: str) -> str | None:
    """What to write in place of a literal that is no key; None where it may be one.

    The literal is not repeated, since it may hold one after all.
    """
    text = value.strip()
    if len(text) > 200:
        return None
    if re.fullmatch(_FILE, text):
        return "a file with the key is written ${file:/path}"
    if re.fullmatch(_PLACEHOLDER, text):
        return f"this is a placeholder and no key: set a variable, and write ${{{_usual(provider)}}}"
    found = re.fullmatch(_VARIABLE, text) if re.match(_MARKED, text) else re.fullmatch(_LIKE_A_VARIABLE, text)
    if found is None:
        return None
    name = next((part for part in found.groups() if part), found[0]).rpartition(".")[2]
    if not re.fullmatch(_SURELY_A_NAME, name):
        name = "NAME"  # another one may be a key that begins with a dollar sign
    return f"this would be sent as the key itself: a variable is written ${{{name}}} (a dollar sign is $$)"


def _usual(provider: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", provider.upper()) + "_API_KEY"
