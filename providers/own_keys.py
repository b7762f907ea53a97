"""A caller's own key for a provider, which one call brings along. It shows in nothing that is printed."""

from __future__ import annotations


class OwnKey:
    """A caller's key for one provider."""

    __slots__ = ("_secret", "provider")

    def __init__(self, provider: str, secret: str) -> None:
        self.provider = provider
        self._secret = secret

    @property
    def secret(self) -> str:
        """The key in the clear."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnKey) and (self.provider, self._secret) == (other.provider, other._secret)

    def __hash__(self) -> int:
        return hash(self.provider)

    def __repr__(self) -> str:
        return f"OwnKey({self.provider!r})"
