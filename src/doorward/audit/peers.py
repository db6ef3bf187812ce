"""Networks instead of addresses: a record names where a caller was, not who sat there."""

import ipaddress


def network(peer: str) -> str:
    """The /24 or /64 of a peer address; anything that is no address ("stdio") as it is."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address.packed, 24 if address.version == 4 else 64), strict=False))
