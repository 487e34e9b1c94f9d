"""Intake: a partner's request becomes a raw object, a manifest row and an event, exactly once."""
