//go:build tools

// Package tools names the programs that this module builds, so that `go mod tidy`
// keeps everything they import.
package tools

import (
	_ "github.com/NVIDIA/nvidia-container-toolkit/cmd/nvidia-container-runtime"
	_ "github.com/NVIDIA/nvidia-container-toolkit/cmd/nvidia-ctk"
)
