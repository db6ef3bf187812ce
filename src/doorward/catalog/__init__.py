"""What the servers offer: definitions as listed, the names they are exposed under, and the lookup by name."""
