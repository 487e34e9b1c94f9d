"""What every room stands on and none of the domain: settings, database, objects, bus, HTTP, log, metrics."""
