"""Pure decisions: grants become Cedar, Cedar decides, and only here is a Permit made. Touches no I/O."""
