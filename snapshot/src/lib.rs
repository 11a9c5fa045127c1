//! Snapshots of engine state: rkyv images with a hash, written safely and proven by loading (docs/FORMATS.md §8).
//!
//! ```text
//!  Image ──► header ‖ rkyv ‖ BLAKE3 ──► SEQUENCE.snap.tmp ─sync─► rename ─sync folder─► load again: proven ──► retention
//!  SEQUENCE.snap ──► BLAKE3 ──► header ──► bytecheck ──► state hash again ──► Image
//! ```
//!
//! Invariants:
//! 1. A file that carries the final name was whole and synced before it got that name.
//! 2. What is loaded is exactly what was taken: the file's hash, the header and the recomputed state hash agree, or
//!    the snapshot is refused and an older one is tried.
//! 3. A snapshot belongs to one history: it names journal, term, time and chain of the frame at its sequence.
//! 4. Old snapshots go only after a newer one was proven; loading and listing modify nothing.

#![forbid(unsafe_code)]

mod codec;
mod disk;
mod error;
mod header;
mod store;

pub use codec::{decode, encode};
pub use disk::{Disk, RealDisk};
pub use error::SnapshotError;
pub use header::{Binding, HEADER_BYTES, Header};
pub use store::{DEFAULT_KEEP, Found, Listed, Loaded, Rejected, Store, Written};
