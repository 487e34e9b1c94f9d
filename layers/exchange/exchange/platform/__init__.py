"""The ground that every room stands on, without domain words: settings, database, objects, bus, HTTP, log, metrics."""
