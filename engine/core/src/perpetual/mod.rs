//! Linear perpetual futures (DOMAIN §6, docs/PERPETUAL.md).
//!
//! ```text
//!  contract   terms, tiers, mark, funding clock of one symbol         margin       equity, order margin, acceptance checks
//!  positions  one record per account and symbol                      fill         what a fill does to a position (§6.3)
//!  watch      which positions a mark may make unhealthy              reduce_only  trimming, margin test after a reduction
//!  work_loop  stop orders, liquidations, the fund's own ADL (§5.5)   liquidation  one bucket; takeover: the fund and ADL
//!  prices     liquidation price, for display (§6.5)
//! ```
//!
//! Invariants (DOMAIN §6.9, §8.5–8.9): per symbol ΣQ = 0; per asset Σ(W + M) − ΣC = net transfers in; what an account's
//! orders add up to is kept in its position record and equals a recount at any time.

pub mod calculators;
mod configure;
pub(crate) mod contract;
mod fill;
mod funding;
mod images;
mod invariants;
mod liquidation;
mod margin;
mod marks;
mod orders;
pub(crate) mod positions;
mod prices;
mod query;
mod ranking;
mod reduce_only;
mod takeover;
mod wallets;
pub(crate) mod watch;
pub(crate) mod work_loop;

pub(crate) use contract::Contract;
pub(crate) use liquidation::{Liquidation, Step};
pub(crate) use positions::Positions;
pub use query::{ContractView, MarginView, PositionView};
pub(crate) use ranking::Rankings;
pub(crate) use reduce_only::Chore;
pub(crate) use work_loop::{Buckets, FundRound};
