"""The runner's own reports: admin port, status page and metrics."""
