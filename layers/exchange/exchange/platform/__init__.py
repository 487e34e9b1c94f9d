"""The parts that know nothing of the domain: settings, database, objects, bus, contracts, HTTP, logs, metrics."""
