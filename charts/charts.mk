# Files made from others: CRDs from the operator's schemas, deploy/ from the chart.

HELM ?= helm

.PHONY: manifests chart-lint

## manifests: write crds/, the chart's copies of them and deploy/ anew (needs helm)
manifests:
	node deploy/render.ts $(HELM)

## chart-lint: lint the chart (needs helm)
chart-lint:
	$(HELM) lint --strict charts/ringcast
