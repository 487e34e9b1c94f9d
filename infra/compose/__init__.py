"""The commands of the containers of docker-compose.yml: the functions, beside services that other containers run."""
