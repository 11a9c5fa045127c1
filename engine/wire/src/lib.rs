//! What crosses Ringbook's boundary: units, ids, codes, messages and their codec.
//!
//! A client needs this crate and nothing else. There is no I/O here: [`message`] defines the bytes, [`codec`] cuts a
//! byte stream into messages and writes messages into a buffer, and both are used by the server, the client, the
//! journal and the tests alike.
//!
//! Invariants:
//! 1. Every message is a plain little-endian struct whose fields lie at multiples of their own size; sizes are pinned
//!    by compile-time asserts and bytes by `tests/golden.rs`.
//! 2. A published message never changes; a new one is added beside it.
//! 3. Amounts of different kinds never mix: prices, quantities, amounts and ids are distinct types.

#![deny(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("Ringbook's messages are little-endian structs; a big-endian machine would need byte swaps");

pub mod codec;
pub mod codes;
pub mod ids;
pub mod message;
pub mod report;
pub mod units;

pub use codes::*;
pub use ids::*;
pub use units::*;
