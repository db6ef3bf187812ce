"""Sans-I/O JSON-RPC and MCP: bytes in, frozen values out. Knows no socket, no clock and no policy."""
