"""What the servers and the guard agree on for more load than can be carried."""

# Answered also when everything else is refused: who watches a service must see it then.
OPERATIONS = frozenset({"/healthz", "/readyz", "/metrics"})
RESERVED = 8  # of these at most, beyond MAX_IN_FLIGHT

KEPT = 1024  # connections that a worker of gunicorn keeps between two requests

# In the environ of a request that a server has no room for: the guard words the refusal.
TURNED_AWAY = "service.turned_away"
