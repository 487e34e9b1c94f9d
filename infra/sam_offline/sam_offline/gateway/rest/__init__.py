"""REST APIs (API Gateway V1)."""
