.PHONY: bench bench-short

bench: $(INSTALLED) ## compare with a bare ws server in one run (minutes)
	@node test/bench/main.ts

bench-short: $(INSTALLED) ## a small form of it that checks counts
	@node test/bench/main.ts --short
