// Package config holds the annotated example configurations, so that each program can print its own.
package config

import _ "embed"

// Hub is the hub's example.
//
//go:embed hub.toml
var Hub string
