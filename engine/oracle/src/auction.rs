//! The uncross (DOMAIN §5.6, EVENTS "Configuration").
//!
//! Invariants: every trade of an auction is at one price within both limits; afterwards the book is not crossed.

use crate::Oracle;
use crate::matching::Match;
use ringbook_wire::Side;

/// What would trade at a price.
#[derive(Clone, Copy)]
struct Candidate {
    price: i128,
    volume: i128,
    /// Buys minus sells.
    surplus: i128,
}

impl Oracle {
    /// Trades the volume of the auction at its price; nothing if the book is not crossed. On a perpetual, orders may end
    /// between two matches (trim, margin test); what is still crossed when the volume cannot be reached is a new auction.
    pub(crate) fn uncross(&mut self, symbol: u32) {
        while let Some((price, volume)) = self.auction(symbol) {
            self.trade_auction(symbol, price, volume);
        }
    }

    fn trade_auction(&mut self, symbol: u32, price: i128, mut volume: i128) {
        while let (Some(buy), Some(sell)) =
            (self.first_in_line(symbol, Side::Buy), self.first_in_line(symbol, Side::Sell))
            && volume > 0
            && sell.price <= price
            && price <= buy.price
        {
            let quantity = buy.shown.min(sell.shown).min(volume);
            let (taker, maker) = (buy.id, sell.id);
            let rates = (buy.taker, sell.taker);
            volume -= quantity;
            let parties = self.trade(Match { taker, maker, price, quantity, role: 2 }, rates);
            self.end_or_refresh(taker);
            self.end_or_refresh(maker);
            self.test_parties(symbol, &parties);
        }
    }

    /// Price and executable volume, if the book is crossed, by looking at every price from the lowest limit to the highest.
    fn auction(&self, symbol: u32) -> Option<(i128, i128)> {
        let (best_buy, best_sell) = (self.first_in_line(symbol, Side::Buy)?, self.first_in_line(symbol, Side::Sell)?);
        if best_buy.price < best_sell.price {
            return None;
        }
        let buys: Vec<_> = self.line(symbol, Side::Buy).iter().map(|order| (order.price, order.remaining)).collect();
        let sells: Vec<_> = self.line(symbol, Side::Sell).iter().map(|order| (order.price, order.remaining)).collect();
        let limits = || buys.iter().chain(&sells).map(|&(price, _)| price);
        let (lowest, highest) = (limits().min()?, limits().max()?);
        let candidate = |price| {
            let demand: i128 = buys.iter().filter(|buy| buy.0 >= price).map(|buy| buy.1).sum();
            let supply: i128 = sells.iter().filter(|sell| sell.0 <= price).map(|sell| sell.1).sum();
            Candidate { price, volume: demand.min(supply), surplus: demand - supply }
        };
        let mut left: Vec<Candidate> = (lowest..=highest).map(candidate).collect();
        let volume = left.iter().map(|candidate| candidate.volume).max()?;
        left.retain(|candidate| candidate.volume == volume);
        let least = left.iter().map(|candidate| candidate.surplus.abs()).min()?;
        left.retain(|candidate| candidate.surplus.abs() == least);
        let (low, high) = (left.first()?.price, left.last()?.price);
        let price = if left.iter().all(|candidate| candidate.surplus > 0) {
            high
        } else if left.iter().all(|candidate| candidate.surplus < 0) {
            low
        } else {
            let symbol = &self.symbols[&symbol];
            match symbol.last.or(symbol.reference()) {
                Some(reference) => reference.clamp(low, high),
                None => (low + high) / 2,
            }
        };
        Some((price, volume))
    }
}
