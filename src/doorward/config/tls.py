"""What `gateway.tls` may say."""

from typing import Literal

from pydantic import BaseModel

from doorward.config.model import STRICT
from doorward.config.values import FilePath


class GatewayTls(BaseModel):
    """TLS for agents. The files are read again when they change, and no connection is dropped for it."""

    model_config = STRICT

    cert: FilePath
    """PEM file with the gateway's certificate, then those of intermediate authorities."""
    key: FilePath
    """PEM file with the key of cert, without a passphrase; readable by its owner only."""
    client_ca: FilePath | None = None
    """PEM file with the authorities whose client certificates are accepted. Default: none is asked for."""
    client_cert: Literal["optional", "required"] | None = None
    """Whether clients must present a certificate. Default with client_ca: required."""
    min_version: Literal["1.2", "1.3"] = "1.3"
    """Oldest TLS version accepted."""

    @property
    def requires_certificate(self) -> bool:
        """Whether nobody gets in without a client certificate."""
        return self.client_ca is not None and self.client_cert != "optional"
