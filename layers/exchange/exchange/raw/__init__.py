"""Raw objects: their keys, metadata, manifest rows and events, and the proof that they are unchanged."""
