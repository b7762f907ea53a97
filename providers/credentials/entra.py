"""Tokens of Microsoft Entra ID, for Azure OpenAI and Microsoft Foundry: by azure-identity, the extra `entra`.

https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains (DefaultAzureCredential);
the scope: https://learn.microsoft.com/azure/ai-services/openai/how-to/managed-identity.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field

from providers import forks
from providers.credentials.blocking import OneThread
from providers.sources import Issued, NoCredential, lifetime_of

MODULES = ("azure.identity",)
_ADVICE = re.compile(r"(?:Visit|See|To mitigate)\b[^\n]{0,200}?https://[^\n]*")  # long, and no part of what is wrong
SCOPE = "https://cognitiveservices.azure.com/.default"


@dataclass(frozen=True, kw_only=True)
class EntraSource:
    """A bearer token for the models of Azure.

    With a `client_secret` it is that of an app; else the first that azure-identity finds: variables of the
    environment, a workload's or a managed identity, the login of a developer. Each fetch makes the SDK's object anew,
    since its cache would give a refused token again.

    Args:
        scope: what the token is for.
        tenant_id: the directory; needed with a secret.
        client_id: of the app, or of a managed identity where there are several.
        client_secret: of the app.
    """

    scope: str = SCOPE
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    _thread: OneThread = field(default_factory=OneThread, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        return "entra"

    @property
    def shape(self) -> str:
        return repr(("entra", self.scope, self.tenant_id, self.client_id, self.client_secret))

    async def fetch(self) -> Issued:
        return await self._thread.do(self._fetch)

    def _fetch(self) -> Issued:
        with forks.whole:  # a fork in the middle of an import would leave its lock held in the child
            from azure.core.exceptions import ClientAuthenticationError
            from azure.identity import ClientSecretCredential, DefaultAzureCredential
        credential: ClientSecretCredential | DefaultAzureCredential
        if self.client_secret is not None:
            credential = ClientSecretCredential(self.tenant_id or "", self.client_id or "", self.client_secret)
        else:
            own = {"managed_identity_client_id": self.client_id, "workload_identity_client_id": self.client_id}
            credential = DefaultAzureCredential(**({} if self.client_id is None else own))
        with closing(credential):
            try:
                token = credential.get_token(self.scope, tenant_id=self.tenant_id)
            except ClientAuthenticationError as error:  # of a chain, with all that was tried
                raise NoCredential(" ".join(_ADVICE.sub("", str(error)).split())) from None
        secrets = (self.client_secret,) if self.client_secret else ()
        return Issued(token=token.token, lifetime=lifetime_of(token.expires_on), bearer=True, secrets=secrets)
