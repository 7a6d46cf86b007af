# Hostile input (test/fuzz).

FRAMES ?= 1000000
SEED ?= 1

.PHONY: fuzz
fuzz: $(INSTALLED) ## hostile input for the core and its ports (FRAMES=1000000 SEED=1)
	@node --expose-gc test/fuzz/main.ts --frames $(FRAMES) --seed $(SEED)
