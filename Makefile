.PHONY: run test bench lint

run: ## build Caddy with Gatehouse and start Caddyfile.example as yourself
	@.ci/demo

test: ## install the servers that the tests need, then run everything
	@.ci/test

bench: ## print one figure a line, fail where one is missing
	@.ci/bench

lint: ## go vet, golangci-lint and the formatters
	@.ci/lint
