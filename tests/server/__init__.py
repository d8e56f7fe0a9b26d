"""The server, with a tiny application behind it."""
