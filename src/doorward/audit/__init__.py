"""The record vocabulary: what stands in the audit log, and who builds it. Where it is kept is a port's question."""
