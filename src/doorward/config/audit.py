"""What `audit` may say."""

from pydantic import BaseModel

from doorward.config.model import STRICT
from doorward.config.values import FilePath


class Audit(BaseModel):
    """How the audit log is kept."""

    model_config = STRICT

    anchor: FilePath | None = None
    """Directory on another volume or mount to which every signed checkpoint of the log is copied. Whoever can
    rewrite the log cannot make it fit what stands there. It has to exist. Default: none."""
