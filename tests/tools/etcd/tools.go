//go:build tools

// Package tools names the programs that this module builds, so that `go mod tidy`
// keeps everything they import.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
