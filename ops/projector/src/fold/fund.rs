//! The insurance fund's account: every change of INSURANCE's futures wallets, each with the total after it.
//!
//! FUND events tell most of it; FUNDING, TRANSFER, REALIZED and the fees of its own trades tell the rest, but for one
//! thing: what the fund's position realises when a takeover nets it, or when its lots go to auto-deleveraging. No event
//! has that number. It is what the BALANCE at the end of the frame differs by, and gets a row of its own: `POSITION`.
//!
//! Invariants:
//! 1. The last `total` of an asset is the wallet's balance after that frame, to the unit.
//! 2. `total` is the total before plus `amount`, row by row in the order of `(sequence, item)`.

use super::Projector;
use super::futures::Place;
use crate::rows::Stamp;
use crate::schema::INSURANCE_FUND;
use crate::value::Value;
use ringbook_event::{Balance, Trade};
use ringbook_wire::{AccountId, Wallet};
use std::collections::BTreeMap;

/// What moved a wallet of INSURANCE beside FUND.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moved {
    /// It paid this.
    Funding(i64),
    /// A position of its own became smaller by a trade or a settlement.
    Realized(i64),
    /// It paid this fee.
    Fee(i64),
}

/// INSURANCE's wallets while a frame is folded.
#[derive(Debug, Default)]
pub(super) struct FundFrame {
    /// Totals after the rows so far, by asset.
    moved: BTreeMap<u32, i64>,
    /// What BALANCE told.
    told: BTreeMap<u32, i64>,
}

impl Projector {
    /// A movement by an event that is not about the fund alone; nothing if the account is another one.
    pub(super) fn fund_moved(&mut self, account: u32, symbol: u32, moved: Moved, at: Place) {
        let (reason, amount) = match moved {
            Moved::Funding(payment) => ("FUNDING", payment.saturating_neg()),
            Moved::Realized(pnl) => ("REALIZED", pnl),
            Moved::Fee(fee) => ("TRADE_FEE", fee.saturating_neg()),
        };
        let asset = self.symbols.get(&symbol).filter(|s| s.perpetual).map(|s| s.quote);
        if let Some(asset) = asset.filter(|_| AccountId(account) == AccountId::INSURANCE && amount != 0) {
            self.fund_row(asset, reason, None, Some(symbol), amount, 0, at);
        }
    }

    /// Fees that INSURANCE paid in a trade of a perpetual.
    pub(super) fn fund_traded(&mut self, e: &Trade, at: Place) {
        let mut fee = 0i64;
        for (account, paid) in [(e.taker_account, e.taker_fee.0), (e.maker_account, e.maker_fee.0)] {
            if account == AccountId::INSURANCE {
                fee = fee.saturating_add(paid);
            }
        }
        self.fund_moved(AccountId::INSURANCE.0, e.header.subject, Moved::Fee(fee), at);
    }

    /// The operator moved money into the fund, or out of it.
    pub(super) fn fund_transferred(&mut self, account: u32, asset: u32, amount: i64, at: Place) {
        if self.scope.futures() && AccountId(account) == AccountId::INSURANCE {
            self.fund_row(asset, "TRANSFER", None, None, amount, 0, at);
        }
    }

    /// A row, with the total after it.
    #[expect(clippy::too_many_arguments, reason = "they are the columns")]
    pub(super) fn fund_row(
        &mut self,
        asset: u32,
        reason: &'static str,
        account: Option<u32>,
        symbol: Option<u32>,
        amount: i64,
        quantity: i64,
        at: Place,
    ) {
        let before = self.fund.get(&asset).copied().unwrap_or(0);
        let total = self.fund_frame.moved.entry(asset).or_insert(before);
        // Sums wrap around on purpose, as in `orders`: `verify` finds them, a stop would help nobody.
        *total = total.wrapping_add(amount);
        let total = *total;
        let row = [
            asset.into(),
            Value::name(reason),
            account.into(),
            symbol.into(),
            amount.into(),
            quantity.into(),
            total.into(),
        ];
        self.append(&INSURANCE_FUND, at, row);
    }

    /// A wallet after the command.
    pub(super) fn futures_balance(&mut self, e: &Balance, stamp: Stamp) {
        debug_assert_eq!(Wallet::from_code(e.header.a), Some(Wallet::Futures));
        let (account, asset) = (e.header.subject, e.asset.0);
        self.batch.wallets.insert((account, asset), (e.available.0, stamp));
        if AccountId(account) == AccountId::INSURANCE {
            self.fund_frame.told.insert(asset, e.available.0);
        }
    }

    /// The frame is over; `end` is the place behind its events.
    pub(super) fn fund_frame_ends(&mut self, mut end: Place) {
        let frame = std::mem::take(&mut self.fund_frame);
        let mut assets: Vec<u32> = frame.moved.keys().chain(frame.told.keys()).copied().collect();
        assets.sort_unstable();
        assets.dedup();
        for asset in assets {
            let before = self.fund.get(&asset).copied().unwrap_or(0);
            // Without a BALANCE it is as it was.
            let now = frame.told.get(&asset).copied().unwrap_or(before);
            let running = frame.moved.get(&asset).copied().unwrap_or(before);
            if now != running {
                self.fund_frame.moved.insert(asset, running);
                self.fund_row(asset, "POSITION", None, None, now.wrapping_sub(running), 0, end);
                end.item += 1;
            }
            self.fund.insert(asset, now);
        }
        self.fund_frame = FundFrame::default();
    }
}
