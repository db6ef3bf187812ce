"""What `doorward bridge` does between a stdio client and a gateway's HTTP endpoint."""
