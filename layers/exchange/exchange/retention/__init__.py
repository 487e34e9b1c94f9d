"""Deletion of data that was kept for as long as agreed."""
