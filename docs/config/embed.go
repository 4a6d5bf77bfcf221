// Package config holds the annotated example configurations, so that each program can print its own.
package config

import _ "embed"

// Hub is the hub's example.
//
//go:embed hub.toml
var Hub string

// Bank is the example of a process that serves banks.
//
//go:embed bank.toml
var Bank string

// Wallet is the example of a payment service.
//
//go:embed wallet.toml
var Wallet string
