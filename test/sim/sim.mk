# The simulator: whole regions in one process and in virtual time (test/sim).

SEEDS ?= 200
FIRST_SEED ?= 1

.PHONY: sim
sim: $(INSTALLED) ## run seeds through the simulator (SEEDS=200 FIRST_SEED=1 NODES=5)
	@node test/sim/main.ts --seeds $(SEEDS) --first-seed $(FIRST_SEED) \
	  $(if $(filter command line,$(origin NODES)),--nodes $(NODES)) $(SIM_ARGS)

.PHONY: sim-report
sim-report: $(INSTALLED) ## what an idle region costs per node, at 3 to 1,000 nodes
	@node test/sim/report.ts
