"""What makes logs: simulators whose truth is known, and stand-ins for files that were not given."""
