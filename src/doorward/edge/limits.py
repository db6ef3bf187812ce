"""What the HTTP edge bounds, and the names of what it refuses."""

from enum import StrEnum
from typing import Final

import msgspec


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds, per connection unless said otherwise."""

    header_bytes: int = 32 * 1024
    """Request line and header fields as received, line ends included."""
    header_count: int = 100
    """Fields, repeated ones counted each."""
    body_bytes: int = 4 * 1024 * 1024
    header_timeout: float = 10.0
    """From the first byte of a head (for a new connection: from accepting it) to its last."""
    body_timeout: float = 30.0
    """From the end of the head to the end of the body."""
    idle_timeout: float = 75.0
    """Between an answer and the first byte of the next request."""
    write_timeout: float = 30.0
    """The time in which a peer that reads slowly has to take its bytes, see `write_rate`."""
    write_rate: int = 8 * 1024
    """Bytes a second, on average over `write_timeout`, that a peer must take while more waits for it."""
    quiet_timeout: float = 15.0
    """Without a byte towards a peer whose request is running, before its handler may show that it is."""
    linger_timeout: float = 2.0
    """How long a refused peer may go on sending before it is cut (RFC 9112 section 9.6)."""
    handshake_timeout: float = 10.0
    """From accepting a TLS connection to the end of its handshake."""
    handshakes: int = 512
    """TLS handshakes at the same time, of the whole server: about 60 KB each."""
    handshakes_per_ip: int = 128
    """Of one peer address."""
    retire_timeout: float = 10.0
    """For the answer in progress on a connection whose client certificate is trusted no longer."""
    connections: int = 4096
    """Of the whole server."""
    connections_per_ip: int = 1024
    """Of one peer: an IPv4 address or an IPv6 /64. Unix sockets and trusted proxies are not counted."""
    bodies_bytes: int = 256 * 1024 * 1024
    """Of all bodies together that are still arriving, and of what waits behind requests in progress."""
    bodies_bytes_per_ip: int = 64 * 1024 * 1024
    """Of one peer, counted as its connections are."""
    replies_bytes: int = 512 * 1024 * 1024
    """Of all answers together that wait for peers to take them."""
    replies_bytes_per_ip: int = 128 * 1024 * 1024
    """Of one peer, counted as its connections are."""
    pipeline_depth: int = 32
    """Requests waiting behind the one in progress before reading pauses."""
    pipeline_bytes: int = 64 * 1024
    """Bytes waiting behind the request in progress before reading pauses."""


class Refusal(StrEnum):
    """Why a request never reached the handler: the keys of `H1Server.refused`."""

    BARE_NEWLINE = "bare_newline"
    REQUEST_LINE_MALFORMED = "request_line_malformed"
    TLS = "tls_on_plain_port"
    HTTP_0_9 = "http_0_9"
    VERSION_UNSUPPORTED = "version_unsupported"
    METHOD_UNKNOWN = "method_unknown"
    CONNECT = "connect"
    TARGET_FORM = "target_form"
    TARGET_TOO_LONG = "target_too_long"
    HEADERS_TOO_LARGE = "headers_too_large"
    HEADERS_TOO_MANY = "headers_too_many"
    HEADER_FOLDED = "header_folded"
    HEADER_MALFORMED = "header_malformed"
    HOST_MISSING = "host_missing"
    HOST_REPEATED = "host_repeated"
    HOST_MALFORMED = "host_malformed"
    LENGTH_AND_ENCODING = "length_and_encoding"
    LENGTH_REPEATED = "length_repeated"
    LENGTH_MALFORMED = "length_malformed"
    ENCODING_UNSUPPORTED = "encoding_unsupported"
    ENCODING_ON_HTTP_1_0 = "encoding_on_http_1_0"
    UPGRADE = "upgrade"
    EXPECTATION = "expectation"
    BODY_TOO_LARGE = "body_too_large"
    CHUNK_MALFORMED = "chunk_malformed"
    CHUNK_EXTENSION = "chunk_extension"
    CHUNKS_TOO_SMALL = "chunks_too_small"
    TRAILER_MALFORMED = "trailer_malformed"
    TRAILER_FORBIDDEN = "trailer_forbidden"
    TRAILERS_TOO_LARGE = "trailers_too_large"
    HEADER_TIMEOUT = "header_timeout"
    BODY_TIMEOUT = "body_timeout"
    WRITE_TIMEOUT = "write_timeout"
    CONNECTIONS = "connections"
    CONNECTIONS_PER_IP = "connections_per_ip"
    BODIES = "bodies"
    BODIES_PER_IP = "bodies_per_ip"
    REPLIES = "replies"
    REPLIES_PER_IP = "replies_per_ip"
    PROXY_MALFORMED = "proxy_malformed"
    PROXY_TIMEOUT = "proxy_timeout"
    PROXY_FORBIDDEN = "proxy_forbidden"
    HANDLER_FAILED = "handler_failed"


_R = Refusal

REFUSALS: Final[dict[Refusal, tuple[int, str]]] = {
    _R.BARE_NEWLINE: (400, "every line of the head must end with CR LF"),
    _R.REQUEST_LINE_MALFORMED: (400, "the request line is malformed"),
    _R.TLS: (400, "this port speaks plain HTTP, and this is TLS"),
    _R.HTTP_0_9: (400, "HTTP/0.9 is not spoken here"),
    _R.VERSION_UNSUPPORTED: (505, "only HTTP/1.1 and HTTP/1.0 are spoken here"),
    _R.METHOD_UNKNOWN: (501, "this method is not known"),
    _R.CONNECT: (501, "CONNECT is not served here"),
    _R.TARGET_FORM: (400, "the request target must be a path"),
    _R.TARGET_TOO_LONG: (414, "the request line is too long"),
    _R.HEADERS_TOO_LARGE: (431, "the header fields are too large"),
    _R.HEADERS_TOO_MANY: (431, "there are too many header fields"),
    _R.HEADER_FOLDED: (400, "a header field must stand on one line"),
    _R.HEADER_MALFORMED: (400, "a header field is malformed"),
    _R.HOST_MISSING: (400, "the Host header is missing"),
    _R.HOST_REPEATED: (400, "there is more than one Host header"),
    _R.HOST_MALFORMED: (400, "the Host header is malformed"),
    _R.LENGTH_AND_ENCODING: (400, "Content-Length and Transfer-Encoding exclude each other"),
    _R.LENGTH_REPEATED: (400, "there is more than one Content-Length header"),
    _R.LENGTH_MALFORMED: (400, "Content-Length must be a decimal number"),
    _R.ENCODING_UNSUPPORTED: (501, "the only Transfer-Encoding served here is: chunked"),
    _R.ENCODING_ON_HTTP_1_0: (400, "HTTP/1.0 has no Transfer-Encoding"),
    _R.UPGRADE: (400, "no other protocol can be switched to"),
    _R.EXPECTATION: (417, "the only expectation met here is: 100-continue"),
    _R.BODY_TOO_LARGE: (413, "the request body is too large"),
    _R.CHUNK_MALFORMED: (400, "a chunk of the body is malformed"),
    _R.CHUNK_EXTENSION: (400, "chunk extensions are not accepted"),
    _R.CHUNKS_TOO_SMALL: (400, "the body comes in too many small chunks"),
    _R.TRAILER_MALFORMED: (400, "a trailer field is malformed"),
    _R.TRAILER_FORBIDDEN: (400, "this field cannot be sent as a trailer"),
    _R.TRAILERS_TOO_LARGE: (431, "the trailer fields are too large"),
    _R.HEADER_TIMEOUT: (408, "the head of the request took too long"),
    _R.BODY_TIMEOUT: (408, "the body of the request took too long"),
    _R.WRITE_TIMEOUT: (408, "the answer was not read"),
    _R.CONNECTIONS: (503, "there are too many connections"),
    _R.CONNECTIONS_PER_IP: (503, "there are too many connections from this address"),
    _R.BODIES: (503, "too many request bodies are arriving at once"),
    _R.BODIES_PER_IP: (503, "too many request bodies are arriving at once from this address"),
    _R.REPLIES: (503, "too many answers wait to be read"),
    _R.REPLIES_PER_IP: (503, "too many answers wait to be read by this address"),
    _R.PROXY_MALFORMED: (400, "this proxy has to send a PROXY header of version 2"),
    _R.PROXY_TIMEOUT: (408, "the PROXY header took too long"),
    _R.PROXY_FORBIDDEN: (400, "a PROXY header is taken only from the addresses in gateway.proxy_protocol"),
    _R.HANDLER_FAILED: (500, "the gateway failed on this request"),
}
"""Status and a sentence for the caller. Of unread answers and missing PROXY headers nobody is told: the
connection is cut."""


class Refused(Exception):
    """The request cannot be served and its connection not be trusted further."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason
