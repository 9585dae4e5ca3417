//! A library with NVML's ABI.
