"""The event log that stands in when there is none of the user's own: simulated, its truth known."""
