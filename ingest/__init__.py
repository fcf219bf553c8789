"""Files and the simulator, into the warehouse's `raw` and `truth` schemas."""
