.PHONY: bench bench-history bench-logs bench-presence bench-regions bench-requests bench-resume \
  bench-short

bench: $(INSTALLED) ## compare with a bare ws server in one run (minutes)
	@node test/bench/main.ts

bench-logs: $(INSTALLED) ## what the replicated log costs: appends, takeovers
	@node test/bench/logs.ts

bench-history: $(INSTALLED) ## persisted history: a page at any depth, publish to ACK
	@node test/bench/history.ts

bench-resume: $(INSTALLED) ## a node ends, and its clients resume on the others, 2,000 a second
	@node test/bench/resumes.ts
	@node test/bench/resumes.ts --after-ms 5000

bench-presence: $(INSTALLED) ## large presence sets: SYNC of 10,000, and 1,000 enters a second
	@node test/bench/presence.ts

bench-requests: $(INSTALLED) ## REST publishes per second of CPU time, checks of credentials, 10,000 keys
	@node test/bench/requests.ts

bench-regions: $(INSTALLED) ## two regions: what relays add to the way, what a message costs on it
	@node test/bench/regions.ts

bench-short: $(INSTALLED) ## a small form of it that checks counts
	@node test/bench/main.ts --short
	@node test/bench/regions.ts --short
