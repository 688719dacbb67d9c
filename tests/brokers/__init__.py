"""Real brokers, and the stories of runs told with each of them."""
