.PHONY: bench bench-logs bench-short

bench: $(INSTALLED) ## compare with a bare ws server in one run (minutes)
	@node test/bench/main.ts

bench-logs: $(INSTALLED) ## what the replicated log costs: appends, takeovers
	@node test/bench/logs.ts

bench-short: $(INSTALLED) ## a small form of it that checks counts
	@node test/bench/main.ts --short
