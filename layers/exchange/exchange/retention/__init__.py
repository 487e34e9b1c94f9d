"""What the exchange keeps no longer than was agreed."""
