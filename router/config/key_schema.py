"""What `api_key` and the entries of `api_keys` may be: a key, or who issues one."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from providers.credentials.command import words_of
from router.config.sections import Section, key
from router.config.values import Duration, Secret, Text

DEFAULT = "default"  # what stands for a source without any settings


class EntraConfig(Section):
    """Microsoft Entra ID, by azure-identity; `default` takes what that finds."""

    scope: Text | None = key("What the token is for.")
    tenant_id: Text | None = key("The directory.")
    client_id: Text | None = key("The app, or the managed identity where there are several.")
    client_secret: Secret | None = key("Of the app, which tenant_id and client_id name.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.client_secret is not None and not (self.tenant_id and self.client_id):
            raise ValueError("client_secret goes with tenant_id and client_id")
        return self


class GoogleConfig(Section):
    """Google Cloud, by google-auth; `default` takes Application Default Credentials."""

    file: Text | None = key("A service account's or user's JSON file.")
    scope: Text | None = key("What the token is for.")


class AwsConfig(Section):
    """AWS's Signature Version 4, by botocore; `default` takes what AWS's own tools find."""

    profile: Text | None = key("Of AWS's configuration files.")
    region: Text | None = key("The region to sign for.")
    service: Text | None = key("The service to sign for.")


def _command(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return words_of(str(value))
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise ValueError("this must be a list of texts, such as [gcloud, auth, print-access-token]")
    return words_of(tuple(map(str, value)))


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_command),
    PlainSerializer(lambda words: [words[0], *["**********"] * (len(words) > 1)]),  # an argument may be a secret
    WithJsonSchema(
        {"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "string", "minLength": 1}]}
    ),
]
SOURCES = ("entra", "google", "aws", "command")


class KeyConfig(Section):
    """A key, or who issues what is sent in its place: one of entra, google, aws and command."""

    key_: Secret | None = Field(None, alias="key", description="The key itself; a text alone is that.")
    entra: EntraConfig | None = key("Microsoft Entra ID (extra `entra`): default, or a mapping.")
    google: GoogleConfig | None = key("Google Cloud (extra `google`): default, or a mapping.")
    aws: AwsConfig | None = key("Signature Version 4 of AWS (extra `aws`): default, or a mapping.")
    command: Command | None = key("A program that writes it: a list, or a text without a shell's signs.", repr=False)
    ttl: Duration | None = key("How long what the command writes holds, where it does not say.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("key_", *SOURCES) if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"this must be a key, or a mapping with one of {', '.join(SOURCES)}: {{entra: default}}")
        if self.ttl is not None and self.command is None:
            raise ValueError("ttl goes with command")
        return self
