"""What the three programs share: the door to the warehouse, and errors meant for whoever runs them."""
