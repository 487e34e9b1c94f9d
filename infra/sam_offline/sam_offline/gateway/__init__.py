"""API Gateway: REST APIs, HTTP APIs, and the parts that both share."""
