"""MCP servers for the demonstration, built on the official SDK as anybody would build them."""
