"""Raw objects: where they lie, how they and their manifest rows describe a record, and how they are proven."""
