//! Equity, order margin, and what an order may do to them (DOMAIN §6.2).
//!
//! Invariant: nothing is cached but the sums in the position records; all else is computed from the marks of the moment, over
//! the account's own records.

use super::contract::{Contract, ContractTerms};
use super::positions::{OpenSide, Position, notional};
use crate::engine::Engine;
use crate::orders::{NIL, Order};
use ringbook_wire::{Amount, AssetId, Price, RejectCode, Side, SymbolId, div_ceil, order_flags};

/// What an order at work counts for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub side: Side,
    pub lots: i64,
    /// N(margin price, lots).
    pub value: i128,
    pub reserve: i128,
    pub margin_price: Price,
    pub reduce_only: bool,
}

/// An account's margin in a settlement asset.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Margin {
    /// W.
    pub wallet: i128,
    /// E = W + ΣUPNL of cross positions.
    pub equity: i128,
    /// U: initial margins, reserves, isolated holds.
    pub used: i128,
    /// Reserves of all orders of cross symbols.
    pub cross_reserves: i128,
}

impl Margin {
    /// What may leave the wallet.
    pub fn transferable(&self) -> i128 {
        (self.wallet.min(self.equity) - self.used).max(0)
    }
}

/// An account's record of a symbol as it would be with an order more, one less, or one changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub position: Position,
    /// Highest margin price of each side.
    pub highest: [Price; 2],
}

/// `V = |Q|·mark·K`.
#[inline]
pub(crate) fn value_of(position: &Position, mark: Price, k: Amount) -> i128 {
    notional(mark, position.state.quantity, k).abs()
}

/// `UPNL = Q·mark·K − C`.
#[inline]
pub(crate) fn unrealized(position: &Position, mark: Price, k: Amount) -> i128 {
    notional(mark, position.state.quantity, k) - i128::from(position.state.cost.0)
}

/// `max(|P + B|, |P − A|)`: the larger side of a symbol.
#[inline]
pub(crate) fn larger_side(position: &Position, mark: Price, k: Amount) -> i128 {
    let held = notional(mark, position.state.quantity, k);
    let [buys, sells] = position.open;
    (held + buys.value).abs().max((held - sells.value).abs())
}

/// Lots of a side that open more than they close.
#[inline]
pub(crate) fn increase(position: &Position, side: Side) -> i64 {
    (position.open[side.index()].lots - position.closable(side)).max(0)
}

/// Initial margin of a cross symbol.
#[inline]
fn initial_margin(position: &Position, mark: Price, k: Amount) -> i128 {
    div_ceil(larger_side(position, mark, k), i128::from(position.state.leverage))
}

/// What an isolated symbol's orders hold, the reserves that count in U, and those that do not.
fn isolated_hold(change: &Change, k: Amount) -> (i128, i128, i128) {
    let position = &change.position;
    let (mut largest, mut counted, mut backed) = (0, 0, position.reduce_only_reserves);
    for side in [Side::Buy, Side::Sell] {
        let more = increase(position, side);
        let OpenSide { reserves, .. } = position.open[side.index()];
        if more > 0 {
            counted += reserves;
        } else {
            backed += reserves;
        }
        largest = largest.max(notional(change.highest[side.index()], more, k));
    }
    (div_ceil(largest, i128::from(position.state.leverage)), counted, backed)
}

impl Engine {
    /// The contract of a symbol that is a perpetual.
    #[inline]
    pub(crate) fn contract(&self, symbol: SymbolId) -> &Contract {
        self.symbols.at(symbol).contract.as_ref().expect("a perpetual")
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn contract_mut(&mut self, symbol: SymbolId) -> &mut Contract {
        self.symbols.at_mut(symbol).contract.as_mut().expect("a perpetual")
    }

    /// Whether a symbol is a perpetual.
    #[inline]
    pub(crate) fn is_perpetual(&self, symbol: SymbolId) -> bool {
        self.symbols.get(symbol).is_some_and(|symbol| symbol.contract.is_some())
    }

    /// What an order would count for with these terms; `None` if it does not fit.
    pub(crate) fn weight(&self, order: &Order, lots: i64) -> Option<Weight> {
        let symbol = self.symbols.at(order.symbol);
        let value = notional(order.margin_price, lots, symbol.terms.k);
        let fees = div_ceil(
            value * i128::from(order.terms.highest()) - i128::from(order.carry),
            i128::from(ringbook_wire::RATE_ONE),
        );
        let losses = i128::from(order.open_loss) * i128::from(lots) * i128::from(symbol.terms.k.0);
        let reserve = if order.margin_price.0 == 0 { 0 } else { fees + losses };
        i64::try_from(reserve).ok()?;
        let reduce_only = order.flags & order_flags::REDUCE_ONLY != 0;
        Some(Weight { side: order.side, lots, value, reserve, margin_price: order.margin_price, reduce_only })
    }

    /// Margin price and open loss of an order at a price (DOMAIN §6.2); a price of 0 can trade with nothing.
    pub(crate) fn order_terms(&self, symbol: SymbolId, side: Side, price: Price) -> (Price, i64) {
        if price.0 == 0 {
            return (Price::ZERO, 0);
        }
        let mark = self.contract(symbol).mark;
        match side {
            Side::Buy => (price, (price.0 - mark.0).max(0)),
            Side::Sell => {
                let bid = self.symbols.at(symbol).book.best_price(Side::Buy).unwrap_or(Price::ZERO);
                (price.max(mark).max(bid), (mark.0 - price.0).max(0))
            }
        }
    }

    /// An account's record as it is, with the highest margin prices of its orders but one.
    pub(crate) fn present(&self, account: u32, symbol: SymbolId, without: u32) -> Change {
        let position = self.position_or_new(account, symbol);
        let mut highest = [Price::ZERO; 2];
        if position.is_isolated() {
            for side in [Side::Buy, Side::Sell] {
                highest[side.index()] = self.highest_price(account, symbol, side, without);
            }
        }
        Change { position, highest }
    }

    fn highest_price(&self, account: u32, symbol: SymbolId, side: Side, without: u32) -> Price {
        let mut highest = Price::ZERO;
        let mut look = |slot: u32| {
            let order = self.orders.get(slot);
            if slot != without && order.counted && order.flags & order_flags::REDUCE_ONLY == 0 {
                highest = highest.max(order.margin_price);
            }
            order.of_account.next
        };
        let mut at = self.accounts.first_open(account, symbol, side);
        while at != NIL {
            at = look(at);
        }
        if self.matching != NIL {
            let taker = self.orders.get(self.matching);
            if (taker.account, taker.symbol, taker.side) == (account, symbol, side) {
                look(self.matching);
            }
        }
        highest
    }

    /// A record with an order counted or no longer counted.
    pub(crate) fn with_weight(change: &mut Change, weight: &Weight, sign: i64) {
        let (position, side) = (&mut change.position, weight.side.index());
        let (lots, factor) = (sign * weight.lots, i128::from(sign));
        if weight.reduce_only {
            position.reduce_only[side] += lots;
            position.reduce_only_reserves += factor * weight.reserve;
            return;
        }
        let open = &mut position.open[side];
        open.lots += lots;
        open.value += factor * weight.value;
        open.reserves += factor * weight.reserve;
        if sign > 0 {
            change.highest[side] = change.highest[side].max(weight.margin_price);
        }
    }

    /// Margin of an account in a settlement asset, with one symbol as `changed` says.
    pub(crate) fn margin(&self, account: u32, asset: AssetId, changed: Option<&Change>) -> Margin {
        let wallet = i128::from(self.accounts.futures(account, asset).0);
        let mut margin = Margin { wallet, equity: wallet, used: 0, cross_reserves: 0 };
        let mut seen = false;
        for open in &self.accounts.get(account).symbols {
            if open.position == NIL {
                continue;
            }
            let position = self.positions.get(open.position);
            // One without a leverage of its own has neither lots nor orders.
            if position.asset != asset || position.state.leverage == 0 && changed.is_none() {
                continue;
            }
            match changed.filter(|changed| changed.position.symbol == position.symbol) {
                Some(changed) => {
                    seen = true;
                    self.add_symbol(&mut margin, changed);
                }
                None if position.state.leverage == 0 => {}
                None if position.is_isolated() => {
                    self.add_symbol(&mut margin, &self.present(account, position.symbol, NIL));
                }
                None => self.add_symbol(&mut margin, &Change { position: *position, highest: [Price::ZERO; 2] }),
            }
        }
        if let Some(changed) = changed.filter(|_| !seen) {
            self.add_symbol(&mut margin, changed);
        }
        margin
    }

    fn add_symbol(&self, margin: &mut Margin, change: &Change) {
        let position = &change.position;
        let (mark, k) = (self.contract(position.symbol).mark, self.symbols.at(position.symbol).terms.k);
        if position.is_isolated() {
            let (hold, counted, _) = isolated_hold(change, k);
            margin.used += hold + counted;
            return;
        }
        let reserves = position.open[0].reserves + position.open[1].reserves + position.reduce_only_reserves;
        margin.equity += unrealized(position, mark, k);
        margin.used += initial_margin(position, mark, k) + reserves;
        margin.cross_reserves += reserves;
    }

    /// Whether a symbol's margin may go from `before` to `after`, by an order of `side`: 301, 302, 304, 305. There is a mark.
    pub(crate) fn check_margin(
        &self,
        account: u32,
        before: &Change,
        after: &Change,
        side: Side,
        reduce_only: bool,
    ) -> Result<(), RejectCode> {
        let position = &after.position;
        let contract = self.contract(position.symbol);
        let (mark, k) = (contract.mark, self.symbols.at(position.symbol).terms.k);
        let increases = !reduce_only
            && match position.is_isolated() {
                true => increase(position, side) > increase(&before.position, side),
                false => initial_margin(position, mark, k) > initial_margin(&before.position, mark, k),
            };
        let margin = self.margin(account, position.asset, Some(after));
        let covered = match (position.is_isolated(), increases) {
            (false, true) => margin.equity >= margin.used,
            (true, true) => margin.wallet.min(margin.equity) >= margin.used,
            (false, false) => margin.equity >= margin.cross_reserves,
            (true, false) => {
                let (_, _, backed) = isolated_hold(after, k);
                let own = i128::from(position.state.margin.0) + unrealized(position, mark, k);
                own + margin.transferable() >= backed
            }
        };
        if !covered {
            return Err(RejectCode::InsufficientMargin);
        }
        if !increases {
            return Ok(());
        }
        if position.state.leverage > highest_leverage(&contract.terms, larger_side(position, mark, k)) {
            return Err(RejectCode::TierLeverage);
        }
        if contract.reduce_only {
            return Err(RejectCode::ReduceOnlyMode);
        }
        if !contract.is_fresh(self.time) {
            return Err(RejectCode::NoMark);
        }
        Ok(())
    }

    /// Removable margin of an isolated position (DOMAIN §6.3).
    pub(crate) fn removable(&self, position: &Position) -> i128 {
        let contract = self.contract(position.symbol);
        let (mark, k) = (contract.mark, self.symbols.at(position.symbol).terms.k);
        let (margin, gain) = (i128::from(position.state.margin.0), unrealized(position, mark, k));
        let value = value_of(position, mark, k);
        let maintenance = contract.terms.maintenance(value);
        let initial = div_ceil(value, i128::from(position.state.leverage));
        (margin - maintenance).min(margin + gain - maintenance - 1).min(margin + gain - initial).max(0)
    }
}

/// Highest leverage that the symbol and the tier of a notional allow.
pub(crate) fn highest_leverage(terms: &ContractTerms, notional: i128) -> u32 {
    terms.tiers[terms.tier_of(notional)].max_leverage.min(terms.max_leverage)
}
