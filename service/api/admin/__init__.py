"""Administration below /admin: labels, rollback, status. Who may, the gate decides."""
