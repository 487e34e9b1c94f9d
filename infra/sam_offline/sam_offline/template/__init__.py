"""The template: reading, translation, and the resources that it declares."""
