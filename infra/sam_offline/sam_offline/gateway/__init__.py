"""API Gateway: REST APIs, HTTP APIs, and what both share."""
