"""Tables, log lines and the status view, as a terminal shows them."""
