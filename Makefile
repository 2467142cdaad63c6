# The commands people need. Everything else is `cargo xtask help`.

.PHONY: help up test smoke

help:
	@echo "make up      set up, build, start the platform with two example servers, and stay"
	@echo "make test    set up and run everything that CI runs"
	@echo "make smoke   set up, deploy two example servers, call them with four real clients, and exit"

up:
	@cargo xtask up

test:
	@cargo xtask ci

smoke:
	@cargo xtask smoke
