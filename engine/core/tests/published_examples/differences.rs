//! Where a venue's rule is not ours, example by example, each with the paragraph of DOMAIN that differs.
//!
//! Invariant: a difference is reported only where the engine gave our number and the whole distance to the published one was
//! explained by the venue's rule; what was seen and what is listed are the same.

/// A rule that another venue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The fee to close is in the liquidation price.
    ClosingFee,
    /// Maintenance margin is that of the value at entry.
    MaintenanceOfEntry,
}

impl Why {
    pub fn paragraph(self) -> &'static str {
        match self {
            Self::ClosingFee => "§6.2, §6.5",
            Self::MaintenanceOfEntry => "§6.1, §6.5",
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::ClosingFee => {
                "no fee to close is reserved; with it as a part of our maintenance rate the published price comes out"
            }
            Self::MaintenanceOfEntry => {
                "maintenance margin is of the value at mark; at the published price equity is that of the value at entry"
            }
        }
    }
}

/// Example, difference.
pub const LISTED: &[(&str, Why)] = &[
    ("gate-okx-short-5x", Why::ClosingFee),
    ("gate-okx-long-5x", Why::ClosingFee),
    ("bybit-long-5x", Why::MaintenanceOfEntry),
    ("bybit-long-10x", Why::MaintenanceOfEntry),
    ("bybit-short-5x", Why::MaintenanceOfEntry),
    ("bybit-short-10x", Why::MaintenanceOfEntry),
    ("own-fee-in-price", Why::ClosingFee),
    ("own-margin-of-entry", Why::MaintenanceOfEntry),
];
