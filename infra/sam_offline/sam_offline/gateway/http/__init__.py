"""HTTP APIs (API Gateway V2)."""
