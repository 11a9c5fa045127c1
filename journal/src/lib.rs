//! An append-only, memory-mapped, checksummed journal with group commit.
