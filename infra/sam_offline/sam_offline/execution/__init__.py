"""The execution of functions: builds, processes, pools and reloads."""
