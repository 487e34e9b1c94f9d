"""Dead letters: listed, shown, and sent again once what made them fail is mended."""
