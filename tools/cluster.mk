K8S_NODES ?= 1

.PHONY: cluster cluster-down cluster-packages browser

cluster-packages: $(INSTALLED) ## install the Debian packages that a real cluster needs (root)
	@node test/cluster/main.ts packages

cluster: $(INSTALLED) ## boot a real cluster with Ringcast on it (root; K8S_NODES=2 for two machines)
	@node test/cluster/main.ts up --nodes $(K8S_NODES)

cluster-down: $(INSTALLED) ## remove that cluster, whatever became of it
	@node test/cluster/main.ts down

browser: ## install Debian's chromium, in which the SDK is tested too (root)
	@test -x /usr/bin/chromium || (apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install --yes -q --no-install-recommends chromium)
