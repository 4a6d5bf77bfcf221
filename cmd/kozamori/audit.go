package main

import (
	"context"

	"github.com/kozamori/kozamori/internal/dev"
)

// auditor is the audit as dev's pages show it.
func auditor(ctx context.Context, dir string) (dev.Report, error) {
	return dev.Report{}, nil
}
