//! The insurance fund takes a position over (DOMAIN §6.6 steps 5 and 6), and its own positions when it has less than
//! nothing (PERPETUAL "the fund's own ADL").
//!
//! Invariants: all lots of the customer are closed at one price; what neither the fund's capacity nor
//! auto-deleveraging covers stays with the fund, and the symbol is in reduce-only mode then.

use super::fill::Fill;
use super::work::Bucket;
use crate::Oracle;
use crate::money::{R, narrow, value};
use ringbook_event::{Config, Event, Record, Takeover};
use ringbook_wire::message::MessageType;
use ringbook_wire::{AccountId, Amount, FundReason, Price, Qty, Side, SymbolId, div_floor};

/// The fund's account.
const FUND: u32 = AccountId::INSURANCE.0;

/// The side that makes a position of this sign smaller.
pub fn closing_side(quantity: i128) -> Side {
    if quantity > 0 { Side::Sell } else { Side::Buy }
}

/// Lots that lost their owner, at the price at which they go to another.
#[derive(Clone, Copy)]
pub struct Orphaned {
    pub symbol: u32,
    /// Signed lots of the position.
    pub quantity: i128,
    pub price: i128,
    /// Whose they were.
    pub of: u32,
}

impl Oracle {
    /// Steps 5 and 6 for one position of a bucket.
    pub(crate) fn take_over(&mut self, bucket: Bucket, symbol: u32) {
        let account = bucket.account;
        let position = self.position(account, symbol);
        let price = self.bankruptcy_price(bucket, symbol);
        let closed = self.fill(Fill {
            account,
            symbol,
            side: closing_side(position.quantity),
            price,
            quantity: position.quantity.abs(),
            fee: 0,
            into_margin: true,
        });
        let place = self.events.len();
        if self.bucket_positions(bucket).is_empty() {
            self.take_residual(bucket, symbol);
        }
        let orphaned = Orphaned { symbol, quantity: position.quantity, price, of: account };
        let lots = position.quantity.abs();
        let netted = self.net_with_fund(&orphaned);
        let taken = (lots - netted).min(self.capacity(&orphaned));
        self.fund_takes(&orphaned, taken);
        // TAKEOVER stands before FUND(RESIDUAL), but tells what the fund took after it.
        self.events.insert(
            place,
            Takeover {
                header: Takeover::header(position.mode.code(), 0, account),
                symbol: SymbolId(symbol),
                reserved: 0,
                quantity: Qty(narrow(position.quantity)),
                price: Price(narrow(price)),
                pnl: Amount(narrow(closed.pnl)),
                fund: Qty(narrow(netted + taken)),
            }
            .into(),
        );
        self.trim(FUND, symbol);
        let rest = self.deleverage(&orphaned, lots - netted - taken);
        if rest > 0 {
            self.fund_takes(&orphaned, rest);
            self.push_uncovered(account, symbol, rest);
        }
    }

    /// Lots that net an opposite position of the fund.
    fn net_with_fund(&mut self, orphaned: &Orphaned) -> i128 {
        let held = self.position(FUND, orphaned.symbol).quantity;
        let is_opposite = held * orphaned.quantity < 0;
        let netted = if is_opposite { held.abs().min(orphaned.quantity.abs()) } else { 0 };
        self.fund_takes(orphaned, netted);
        netted
    }

    /// The fund gets lots at the price.
    fn fund_takes(&mut self, orphaned: &Orphaned, quantity: i128) {
        if quantity > 0 {
            self.fill(Fill {
                account: FUND,
                symbol: orphaned.symbol,
                side: closing_side(orphaned.quantity).opposite(),
                price: orphaned.price,
                quantity,
                fee: 0,
                into_margin: false,
            });
        }
    }

    /// How many more lots the fund may take: by what it can lose, and by the notional that it may hold.
    fn capacity(&self, orphaned: &Orphaned) -> i128 {
        let symbol = &self.symbols[&orphaned.symbol];
        let mark = self.mark_of(orphaned.symbol);
        let (asset, multiple) = (symbol.quote, self.terms_of(orphaned.symbol).fund_multiple);
        let cash = self.futures_wallet(FUND, asset);
        let positions = self.cross_positions(FUND, asset);
        let notional: i128 = positions.iter().map(|(&id, position)| self.notional(id, position)).sum();
        let by_notional = div_floor(div_floor(cash * multiple, R) - notional, value(symbol, mark, 1)).max(0);
        let loss = value(symbol, (orphaned.quantity.signum() * (orphaned.price - mark)).max(0), 1);
        if loss == 0 {
            return by_notional;
        }
        by_notional.min(div_floor(self.cross_equity(FUND, asset), loss).max(0))
    }

    /// FUND(UNCOVERED), and the symbol is in reduce-only mode.
    fn push_uncovered(&mut self, account: u32, symbol: u32, lots: i128) {
        self.push_fund(FundReason::Uncovered, account, symbol, 0, lots);
        if !self.terms_of(symbol).reduce_only {
            self.terms_mut(symbol).reduce_only = true;
            let by_the_engine = 1;
            let header = Config::header(MessageType::SetPerpetual as u8, by_the_engine, symbol);
            self.events.push(Event::from(Config { header, reserved: 0 }));
        }
    }

    /// One position of a fund that has less than nothing goes to auto-deleveraging. False if there is none to do.
    pub(crate) fn deleverage_fund(&mut self) -> bool {
        let Some((asset, done)) = self.fund_round.clone() else {
            return false;
        };
        if self.cross_equity(FUND, asset) >= 0 {
            return false;
        }
        let positions = self.cross_positions(FUND, asset);
        let may_go = |symbol: u32| self.is_live(symbol) && self.is_fresh(symbol) && !done.contains(&symbol);
        let losing = positions
            .iter()
            .filter(|(symbol, _)| may_go(**symbol))
            .map(|(&symbol, position)| (self.unrealized(symbol, position), symbol))
            .filter(|&(unrealized, _)| unrealized < 0)
            .min();
        let Some((_, symbol)) = losing else {
            return false;
        };
        let quantity = positions[&symbol].quantity;
        let price = self.bankruptcy_price(Bucket::cross(FUND, asset), symbol);
        let rest = self.deleverage(&Orphaned { symbol, quantity, price, of: FUND }, quantity.abs());
        if rest > 0 {
            self.push_uncovered(FUND, symbol, rest);
        }
        self.fund_round.as_mut().expect("it was there").1.insert(symbol);
        true
    }
}
