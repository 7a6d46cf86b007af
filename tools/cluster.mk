K8S_NODES ?= 1

.PHONY: cluster cluster-down cluster-packages

cluster-packages: $(INSTALLED) ## install the Debian packages that a real cluster needs (root)
	@node test/cluster/main.ts packages

cluster: $(INSTALLED) ## boot a real cluster with Ringcast on it (root; K8S_NODES=2 for two machines)
	@node test/cluster/main.ts up --nodes $(K8S_NODES)

cluster-down: $(INSTALLED) ## remove that cluster, whatever became of it
	@node test/cluster/main.ts down
