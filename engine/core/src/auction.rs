//! The uncross: one price for all that crosses when a symbol enters TRADING (DOMAIN §5.6).
//!
//! Invariants: all trades are at one price, within both limits; bids and asks in price–time order; afterwards the book is
//! not crossed.

use crate::book::Level;
use crate::engine::Engine;
use crate::money::add;
use crate::pending::{Task, Work};
use crate::symbols::Symbol;
use ringbook_event::EventWriter;
use ringbook_wire::{AccountId, Price, Qty, Side, SymbolId};

/// Price and volume at which a book uncrosses; `None` if nothing crosses.
pub(crate) fn auction_price(symbol: &Symbol) -> Option<(Price, i128)> {
    let (bid, ask) = (symbol.book.best_price(Side::Buy)?, symbol.book.best_price(Side::Sell)?);
    if bid < ask {
        return None;
    }
    // Only prices from the best ask to the best bid can have volume on both sides. Demand and supply change at limits
    // alone: between two neighbouring limits both are constant, so a segment of prices is one candidate.
    let within = |level: &&Level| level.price >= ask && level.price <= bid;
    let lots = |level: &Level| level.total + level.hidden;
    let mut asks: Vec<(Price, i128)> =
        symbol.book.levels(Side::Sell).take_while(within).map(|l| (l.price, lots(l))).collect();
    let mut bids: Vec<(Price, i128)> =
        symbol.book.levels(Side::Buy).take_while(within).map(|l| (l.price, lots(l))).collect();
    asks.sort_unstable_by_key(|level| level.0);
    bids.sort_unstable_by_key(|level| level.0);
    let mut demand: i128 = bids.iter().map(|level| level.1).sum();
    let mut supply = 0i128;
    let (mut next_bid, mut next_ask) = (0, 0);
    let mut at = ask;
    // Segments [from, to] with their demand and supply.
    let mut best: Option<(i128, i128)> = None;
    let mut chosen: Vec<(Price, Price, i128)> = Vec::new();
    while at <= bid {
        while next_ask < asks.len() && asks[next_ask].0 <= at {
            supply += asks[next_ask].1;
            next_ask += 1;
        }
        while next_bid < bids.len() && bids[next_bid].0 < at {
            demand -= bids[next_bid].1;
            next_bid += 1;
        }
        // Up to the next place where something changes: behind this bid, or in front of the next ask.
        let behind_bid = bids.get(next_bid).map_or(bid.0, |level| level.0.0);
        let before_ask = asks.get(next_ask).map_or(bid.0, |level| level.0.0 - 1);
        let to = Price(behind_bid.min(before_ask).min(bid.0));
        let (volume, surplus) = (demand.min(supply), demand - supply);
        let rank = (volume, -surplus.abs());
        match best {
            Some(known) if rank < known => {}
            Some(known) if rank == known => chosen.push((at, to, surplus)),
            _ => {
                best = Some(rank);
                chosen.clear();
                chosen.push((at, to, surplus));
            }
        }
        at = Price(to.0 + 1);
    }
    let (volume, _) = best?;
    let (low, high) = (chosen.first()?.0, chosen.last()?.1);
    let price = if chosen.iter().all(|segment| segment.2 > 0) {
        high
    } else if chosen.iter().all(|segment| segment.2 < 0) {
        low
    } else {
        reference(&chosen, auction_reference(symbol), low, high)
    };
    (volume > 0).then_some((price, volume))
}

/// The last trade, else a perpetual's mark; 0 for none.
fn auction_reference(symbol: &Symbol) -> Price {
    if symbol.last.0 == 0 { symbol.reference() } else { symbol.last }
}

/// The reference moved into the remaining range; without one the middle.
fn reference(_segments: &[(Price, Price, i128)], last: Price, low: Price, high: Price) -> Price {
    if last.0 == 0 { Price((low.0 + high.0).div_euclid(2)) } else { last.clamp(low, high) }
}

impl Engine {
    /// Uncrosses what crosses, then runs the stop orders. What does not fit is pending work.
    pub(crate) fn uncross(&mut self, symbol: SymbolId, out: &mut EventWriter<'_>) {
        match auction_price(self.symbols.at(symbol)) {
            Some((price, left)) => self.uncross_at(symbol, price, left, out),
            None => self.end_uncross(symbol, out),
        }
    }

    /// Trades what is left of the volume at the auction's price.
    pub(crate) fn uncross_at(&mut self, id: SymbolId, price: Price, mut left: i128, out: &mut EventWriter<'_>) {
        while left > 0 {
            if !self.do_chores(out) || !self.has_room(out) {
                self.work.push_front(Work { cause: self.cause, task: Task::Uncross { symbol: id, price, left } });
                return;
            }
            let symbol = self.symbols.at_mut(id);
            let head = |side| symbol.book.best(side).map(|level| symbol.book.level(level).queue.head);
            let heads = head(Side::Buy)
                .zip(head(Side::Sell))
                .filter(|&(buy, sell)| self.orders.get(sell).price <= price && price <= self.orders.get(buy).price);
            let Some((buy, sell)) = heads else {
                // Trims and margin tests of a perpetual have ended orders that were counted.
                assert!(symbol.contract.is_some(), "the volume was counted from both sides");
                break;
            };
            let (bid, ask) = (self.orders.get(buy), self.orders.get(sell));
            let shown = bid.shown.min(ask.shown);
            let quantity = Qty(i64::try_from(left).map_or(shown.0, |left| left.min(shown.0)));
            let (buy_rate, sell_rate) = (bid.terms.taker, ask.terms.taker);
            symbol.last = price;
            if symbol.contract.is_some() {
                self.cross_positions(buy, sell, id, price, quantity, out);
                left -= i128::from(quantity.0);
                continue;
            }
            let value = symbol.value(price, quantity);
            let quote = symbol.terms.quote;
            let (buy_fee, buy_left) = self.fill_resting(buy, id, quantity, value, buy_rate);
            let (sell_fee, sell_left) = self.fill_resting(sell, id, quantity, value, sell_rate);
            self.push_trade(buy, sell, id, 2, price, quantity, (buy_fee, sell_fee), out);
            let fees = add(buy_fee, sell_fee);
            if fees.0 != 0 {
                let account = self.accounts.find(AccountId::FEES).expect("system accounts exist from the beginning");
                self.accounts.change(account, quote, fees.0, 0);
            }
            self.after_fill(buy, buy_left, out);
            self.after_fill(sell, sell_left, out);
            left -= i128::from(quantity.0);
        }
        if !self.do_chores(out) {
            self.work.push_front(Work { cause: self.cause, task: Task::Uncross { symbol: id, price, left: 0 } });
            return;
        }
        // What is crossed still, because orders have ended, is a new auction.
        match auction_price(self.symbols.at(id)).filter(|_| self.is_perpetual(id)) {
            Some((price, left)) => self.uncross_at(id, price, left, out),
            None => self.end_uncross(id, out),
        }
    }

    /// Stop orders, and a perpetual's mark; then the work loop.
    fn end_uncross(&mut self, id: SymbolId, out: &mut EventWriter<'_>) {
        self.fire(id, false);
        self.enter(id);
        self.work_loop(out);
    }
}
