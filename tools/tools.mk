.PHONY: tools tools-nats tools-apiserver

tools: ## build the servers and commands that tests and the local cluster run (minutes, once)
	@tools/build.sh all

tools-nats: ## build nats-server only (about a minute)
	@tools/build.sh nats-server

tools-apiserver: ## build etcd and kube-apiserver only
	@tools/build.sh apiserver
