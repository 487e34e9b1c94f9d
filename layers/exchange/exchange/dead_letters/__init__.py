"""Dead letters, which are listed, shown, and sent again once the cause of their failure is repaired."""
