//! TRANSFER and ADJUST_MARGIN: what may move between spot wallet, futures wallet and isolated margin (DOMAIN §3.2, §6.3).
//!
//! Invariant: money that leaves a futures wallet or a position is not needed there at fresh marks.

use super::work::Bucket;
use crate::Oracle;
use crate::funds::{Money, Way, check_amount};
use ringbook_wire::{AccountId, RejectCode, SymbolStatus};

impl Oracle {
    /// 103, 104, 107, 300, 301, 305, 501 of TRANSFER.
    pub(crate) fn check_transfer(&self, money: &Money) -> Result<(), RejectCode> {
        let (account, asset, amount) = (money.account.0, money.object, i128::from(money.amount));
        if self.accounts[&account].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        if !self.assets.contains_key(&asset) {
            return Err(RejectCode::UnknownAsset);
        }
        let is_customer = money.account >= AccountId::FIRST_CUSTOMER;
        if money.way == Way::ToFutures {
            if self.available(account, asset) < amount {
                return Err(RejectCode::InsufficientBalance);
            }
        } else if is_customer {
            self.check_maintenance()?;
            if self.transferable(account, asset, &self.weights(account, asset, None)) < amount {
                return Err(RejectCode::InsufficientMargin);
            }
            if !self.cross_marks_are_fresh(account, asset) {
                return Err(RejectCode::NoMark);
            }
        } else if self.futures_wallet(account, asset) < amount {
            return Err(RejectCode::InsufficientMargin);
        }
        check_amount(amount)
    }

    /// Moves from the spot wallet to the futures wallet, or back.
    pub(crate) fn move_to_futures(&mut self, account: u32, asset: u32, amount: i128) {
        self.wallet(account, asset).available -= amount;
        self.pay_futures(account, asset, amount);
        self.touched.insert(Bucket::cross(account, asset));
    }

    /// 103, 105, 106, 107, 301, 305, 501 of ADJUST_MARGIN.
    pub(crate) fn check_adjust_margin(&self, money: &Money) -> Result<(), RejectCode> {
        let (account, symbol, amount) = (money.account.0, money.object, i128::from(money.amount));
        if self.accounts[&account].suspended {
            return Err(RejectCode::AccountSuspended);
        }
        let asset = self.require_perpetual(symbol)?.quote;
        if self.symbols[&symbol].status == SymbolStatus::Closed {
            return Err(RejectCode::SymbolStatus);
        }
        let is_fresh = if money.way == Way::ToPosition {
            if self.transferable(account, asset, &self.weights(account, asset, None)) < amount {
                return Err(RejectCode::InsufficientMargin);
            }
            self.cross_marks_are_fresh(account, asset)
        } else {
            self.check_maintenance()?;
            if self.removable(account, symbol) < amount {
                return Err(RejectCode::InsufficientMargin);
            }
            self.is_fresh(symbol)
        };
        if !is_fresh {
            return Err(RejectCode::NoMark);
        }
        let position = self.position(account, symbol);
        if !position.is_isolated() || position.quantity == 0 {
            return Err(RejectCode::Amount);
        }
        check_amount(amount)
    }

    /// Moves from the futures wallet to an isolated position, or back.
    pub(crate) fn move_to_position(&mut self, account: u32, symbol: u32, amount: i128) {
        let asset = self.symbols[&symbol].quote;
        let mut position = self.position(account, symbol);
        position.margin += amount;
        self.positions.insert((account, symbol), position);
        self.pay_futures(account, asset, -amount);
        self.touched.insert(Bucket::cross(account, asset));
        self.touched.insert(Bucket::isolated(account, symbol));
    }
}
