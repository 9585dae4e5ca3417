//! Whole-system runs.
