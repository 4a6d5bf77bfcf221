# `make run ARGS='--port-base 9400'` passes options on.
# Two commands: `make run` starts the whole system on this machine, `make test` checks it.
GO ?= go
BIN := bin
PROGRAMS := kozamori kozamori-wallet kozamori-hub kozamori-bank

.PHONY: run build test lint clean

run: $(BIN)/kozamori
	$(BIN)/kozamori dev --dir .dev $(ARGS)

# Go's own cache decides what must be compiled again; a phony prerequisite always asks it.
$(BIN)/kozamori: FORCE
	$(GO) build -o $@ ./cmd/kozamori

build:
	for p in $(PROGRAMS); do $(GO) build -o $(BIN)/$$p ./cmd/$$p || exit 1; done

test:
	sh scripts/needs.sh
	sh scripts/test.sh

lint:
	@unformatted=$$(gofmt -l cmd internal); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...

clean:
	rm -rf $(BIN)

FORCE:
