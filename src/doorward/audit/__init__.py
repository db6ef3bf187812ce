"""What stands in the audit log, and who builds it. Where the log is kept is a port's question."""
