"""The functions beside services that somebody else runs: what the containers of docker-compose.yml do."""
