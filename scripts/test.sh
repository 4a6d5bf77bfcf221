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
$go test -timeout 20m ./...

# The race detector needs a C compiler; Debian's Go images carry one, a bare machine gets it here.
if ! command -v gcc >/dev/null 2>&1 && ! command -v clang >/dev/null 2>&1; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
	else
		echo "make test needs a C compiler for the race detector" >&2
		exit 1
	fi
fi
CGO_ENABLED=1 $go test -race -short -timeout 15m ./internal/ledger/... ./internal/store/...
