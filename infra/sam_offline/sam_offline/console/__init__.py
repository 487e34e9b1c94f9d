"""What the runner tells about itself: the admin port, status and metrics."""
