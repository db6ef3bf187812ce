"""Clients of the servers behind us: streamable HTTP and stdio, both eras. Sends permits, never twice."""
