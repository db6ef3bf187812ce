"""Makes the aggregate endpoint look like one of the servers behind it, for a suite that knows no prefixes.

A proxy of the test between the suite and `/mcp`: it translates names and URIs both ways, shows the entries of one
server only, and leaves everything else, wrong messages included, as it is.
"""
