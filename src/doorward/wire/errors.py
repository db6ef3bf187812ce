"""What goes wrong on the far side of the gateway. The near side raises `model.errors.CallerError`."""


class WireError(ValueError):
    """An upstream broke the protocol. The message names the fault and never quotes the bytes."""


class BridgeUnsupported(ValueError):
    """Both sides are right, but the caller's era has no place for what the upstream's era says."""
