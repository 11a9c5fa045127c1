//! Linear perpetuals (DOMAIN §6, PERPETUAL): positions, margin, marks, liquidation, the insurance fund,
//! auto-deleveraging, funding, settlement.
//!
//! ```text
//! order ─► admit ─► match ─► trade ─► fill ─► reduce_only (trim, margin test)
//! mark, funding, fill, transfer ─► touched buckets ─► work ─► liquidate ─► takeover ─► adl
//! ```
//!
//! Invariants: nothing is kept that follows from orders, positions, wallets and marks: every sum is formed anew where it
//! is asked for; Σ(W + M) − ΣC of a settlement asset changes only by transfers.

mod adl;
mod admit;
mod check;
mod configure;
mod fill;
mod funding;
mod leverage;
mod liquidate;
mod margin;
mod mark;
mod reduce_only;
mod settle;
mod state;
mod takeover;
mod transfer;
mod work;

pub use fill::Party;
pub use state::{Perpetual, Position};
pub use work::Bucket;
