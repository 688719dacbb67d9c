"""The wire in OpenAPI's words, read off the routes and views themselves (decision 0018)."""
