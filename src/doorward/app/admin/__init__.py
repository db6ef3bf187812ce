"""The admin plane: a process of its own, what it asks of the gateway, and how the two begin and end."""
