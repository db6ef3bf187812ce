"""Use cases over ports: what operators do. No HTTP, no CLI."""
