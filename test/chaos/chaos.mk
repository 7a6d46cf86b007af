.PHONY: chaos chaos-short

# NODES has a default for `make run`; here it counts only if somebody gave it.
CHAOS_ARGS = $(if $(filter file,$(origin NODES)),,--nodes $(NODES)) \
  $(if $(FAULTS),--faults $(FAULTS)) $(if $(SECONDS),--seconds $(SECONDS))

chaos: $(INSTALLED) ## faults on real processes (minutes; NODES=3|5 FAULTS=kill,… SECONDS=120)
	@node test/chaos/main.ts $(CHAOS_ARGS)

chaos-short: $(INSTALLED) ## a small form of it: one of each: kill -9, SIGTERM, a lost NATS server
	@said=$$(tap --reporter=tap test/chaos/ledger.test.ts) || { echo "$$said"; exit 1; }
	@node test/chaos/main.ts --short
