"""Real servers with a tiny model, one at a time on the loopback: ``make servers``. `docs/servers.md` has the table."""
