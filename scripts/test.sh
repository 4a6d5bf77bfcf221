#!/bin/sh
# Everything that must be true of the tree: format, vet, all tests, and the money under the race detector.
set -eu
go=${GO:-go}

unformatted=$(gofmt -l cmd internal)
if [ -n "$unformatted" ]; then
	echo "gofmt would change: $unformatted" >&2
	exit 1
fi
$go vet ./...
# One package at a time: several drive a browser or kill processes, and two of those at once on two cores
# fail for want of time rather than for what they test.
$go test -p 1 -timeout 20m ./...

# The stores' own tests have run on both engines; those of rules and servers run a second time over PostgreSQL.
KOZAMORI_TEST_POSTGRES=1 $go test -p 1 -timeout 20m ./internal/bank ./internal/wallet ./internal/hub \
	./internal/server/bankd ./internal/server/walletd ./internal/server/hubd ./internal/dev

CGO_ENABLED=1 $go test -race -short -timeout 15m ./internal/ledger/... ./internal/store/...
