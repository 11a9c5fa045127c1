//! The generator's TRANSFER, ADJUST_MARGIN and SET_LEVERAGE.

use super::super::world::{TREASURER, trader_of};
use super::super::{Generator, remember};
use crate::scenario::bytes;
use ringbook_event::Origin;
use ringbook_wire::message::{AdjustMargin, Deposit, Message, MessageType, Quarantine, SetLeverage, Transfer};
use ringbook_wire::{AccountId, Amount, AssetId, MarginMode, SymbolId};

impl Generator {
    /// The account's next number, now and then an old one or one too far.
    fn adjustment_of(&mut self, account: u32) -> u64 {
        let adjustment = match self.random.below(30) {
            0 => self.random.below(4),
            1 => self.next_adjustment(account) + 2,
            _ => self.next_adjustment(account),
        };
        if adjustment > self.adjustments.get(&account).copied().unwrap_or(0) {
            self.adjustments.insert(account, adjustment);
        }
        adjustment
    }

    fn amount_about(&mut self, about: i64) -> i64 {
        if self.absurdly() {
            return self.random.absurd();
        }
        let about = about.clamp(1, 1 << 40);
        match self.random.below(12) {
            0 => about,
            1 => about * 9 / 10,
            2 => about * 3 / 4,
            3 => about / 2,
            4 => about + 1,
            5 => self.random.between(0, 3),
            6 => self.random.between(1, self.temper.lots * 300),
            _ => self.random.between(1, about),
        }
    }

    /// Between spot and futures: to futures mostly where little is there, so that nobody is out of the game for long.
    pub(super) fn transfer_command(&mut self) -> (Origin, Vec<u8>) {
        if !self.perpetuals.sent.is_empty() && self.random.chance(1, 8) {
            return self.moved_again();
        }
        let account = if self.random.chance(1, 30) { self.random.pick(&[1, 2, 3, 4]) } else { self.account() };
        let asset = if self.random.chance(1, 60) { 9 } else { self.random.pick(&[2, 2, 2, 1, 3]) };
        let wallet = self.perpetuals.wallets.get(&(account, asset)).copied().unwrap_or(0);
        let is_poor = wallet < 200 + self.temper.lots * 20;
        let direction = if is_poor && self.random.chance(4, 5) { 1 } else { self.random.pick(&[1, 2, 2]) };
        let about = if direction == 1 { 500 + self.temper.lots * self.perpetuals.wealth * 40 } else { wallet };
        let mut transfer = Transfer {
            account: AccountId(account),
            asset: AssetId(asset),
            adjustment: self.adjustment_of(account),
            amount: Amount(self.amount_about(about)),
            reference: self.random.below(3),
            direction,
            ..Transfer::new(0)
        };
        if self.absurdly() {
            match self.random.below(2) {
                0 => transfer.direction = self.random.pick(&[0, 3, 255]),
                _ => transfer.reserved[3] = 1,
            }
        }
        remember(&mut self.perpetuals.sent, bytes(&transfer), 40);
        let right = if account < 16 || self.random.chance(1, 5) { TREASURER } else { trader_of(account) };
        self.sent(right, &transfer)
    }

    /// To or from an isolated position.
    pub(super) fn margin_command(&mut self) -> (Origin, Vec<u8>) {
        let isolated: Vec<_> = self.perpetuals.open().into_iter().filter(|(_, held)| held.isolated).collect();
        let (account, symbol, margin) = if isolated.is_empty() || self.random.chance(1, 12) {
            (self.account(), self.perpetual(), 10)
        } else {
            let ((account, symbol), held) = isolated[self.random.below(isolated.len() as u64) as usize];
            (account, symbol, held.margin)
        };
        let direction = self.random.pick(&[1, 2, 2]);
        let mut adjust = AdjustMargin {
            account: AccountId(account),
            symbol: SymbolId(symbol),
            adjustment: self.adjustment_of(account),
            amount: Amount(self.amount_about(margin / 4)),
            reference: self.random.below(3),
            direction,
            ..AdjustMargin::new(0)
        };
        if self.absurdly() {
            match self.random.below(3) {
                0 => adjust.direction = self.random.pick(&[0, 3, 255]),
                1 => adjust.account = AccountId(2),
                _ => adjust.reserved[6] = 1,
            }
        }
        remember(&mut self.perpetuals.sent, bytes(&adjust), 40);
        self.sent(trader_of(adjust.account.0), &adjust)
    }

    /// One of the latest again: identical, or with another reference.
    fn moved_again(&mut self) -> (Origin, Vec<u8>) {
        let back = self.random.below(self.perpetuals.sent.len().min(6) as u64) as usize;
        let message = self.perpetuals.sent[self.perpetuals.sent.len() - 1 - back].clone();
        let reference = u64::from(self.random.chance(1, 4)) * 5;
        if let Some(mut m) = Transfer::read(&message) {
            m.reference += reference;
            return self.sent(TREASURER, &m);
        }
        let mut m = AdjustMargin::read(&message).expect("it is one of the two");
        m.reference += reference;
        self.sent(TREASURER, &m)
    }

    /// Mode and leverage, often of somebody who may not change them.
    pub(super) fn leverage_command(&mut self) -> (Origin, Vec<u8>) {
        let (account, symbol) = (self.account(), self.perpetual());
        let terms = self.perpetuals.terms(symbol);
        let mode = self.random.pick(&[MarginMode::Cross, MarginMode::Cross, MarginMode::Isolated]);
        let leverage = match self.random.below(10) {
            0 => self.random.pick(&[0, terms.max_leverage + 1, u32::MAX]),
            1 => terms.max_leverage,
            2..5 => terms.tier_leverage[self.random.below(u64::from(terms.tiers)) as usize],
            5 => 1,
            _ => 1 + self.random.below(u64::from(terms.max_leverage)) as u32,
        };
        let mut message = SetLeverage {
            account: AccountId(account),
            symbol: SymbolId(symbol),
            leverage,
            mode: mode.code(),
            ..SetLeverage::new(0)
        };
        if self.absurdly() {
            match self.random.below(3) {
                0 => message.mode = self.random.pick(&[0, 3]),
                1 => message.account = AccountId(2),
                _ => message.reserved[0] = 1,
            }
        }
        self.sent(trader_of(message.account.0), &message)
    }

    /// A TRANSFER or ADJUST_MARGIN is set aside; its number comes again.
    pub(super) fn quarantine_money(&mut self) -> (Origin, Vec<u8>) {
        let account = AccountId(self.account());
        let kind = self.random.pick(&[MessageType::Transfer, MessageType::AdjustMargin]);
        let adjustment = self.adjustment_of(account.0);
        let (asset, amount) = (AssetId(2), Amount(1));
        let again = Transfer { account, asset, adjustment, amount, direction: 1, ..Transfer::new(0) };
        remember(&mut self.perpetuals.sent, bytes(&again), 40);
        let symbol = SymbolId(self.perpetual());
        let halt = u32::from(self.random.chance(1, 5));
        Self::internal(&Quarantine { account, kind: kind as u8, symbol, halt, adjustment, ..Quarantine::new(0) })
    }

    /// Money for the fund or for the exchange's other accounts, or out of it.
    pub(super) fn fund_money(&mut self) -> (Origin, Vec<u8>) {
        let account = self.random.pick(&[2, 2, 2, 1, 3]);
        let asset = self.random.pick(&[2, 2, 1]);
        let adjustment = self.adjustment_of(account);
        let amount = Amount(self.random.between(1, 2_000));
        let (account, asset) = (AccountId(account), AssetId(asset));
        if self.random.chance(1, 3) {
            return self.sent(TREASURER, &Deposit { account, asset, adjustment, amount, ..Deposit::new(0) });
        }
        let direction = self.random.pick(&[1, 1, 2]);
        self.sent(TREASURER, &Transfer { account, asset, adjustment, amount, direction, ..Transfer::new(0) })
    }
}
