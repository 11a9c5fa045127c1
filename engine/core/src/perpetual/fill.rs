//! What a fill does to a position and its money (DOMAIN §6.3), and how orders at work are counted.
//!
//! Invariants: what one side's cost changes by, the other side's does, but for what is realised: ΔΣW + ΔΣM = ΔΣC; an account
//! without cross positions ends with W ≥ 0, INSURANCE pays the rest.

use super::contract::fits;
use super::margin::Weight;
use super::positions::{OpenSide, Position, State, notional};
use super::watch::NOWHERE;
use crate::engine::Engine;
use ringbook_event::{EventWriter, Fund, Record};
use ringbook_wire::{
    AccountId, Amount, AssetId, FundReason, MarginMode, Price, Qty, Sequence, Side, SymbolId, div_ceil, div_floor,
};

/// What a fill is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A customer's order, an ADL, a settlement: isolated closing gives its share of the margin back.
    Ordinary,
    /// A settlement: as an ordinary one, but nothing is opened and the floor does not act.
    Settlement,
    /// Liquidation or takeover: gain and loss stay in the bucket.
    InBucket,
}

/// What a fill closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    pub lots: i64,
    pub pnl: i64,
    /// An isolated position became smaller.
    pub isolated: bool,
    /// What a settlement lacks beyond the isolated margin; at most 0.
    pub short: i64,
}

impl Engine {
    /// An account's record with a leverage of its own, made if there is none yet.
    pub(crate) fn ensure_position(&mut self, account: u32, symbol: SymbolId) -> u32 {
        let record = self.ensure_record(account, symbol);
        if self.positions.get(record).state.leverage == 0 {
            let leverage = self.contract(symbol).default_leverage();
            self.positions.get_mut(record).state.leverage = leverage;
        }
        record
    }

    /// An account's record, made if there is none yet; its leverage may be that of the symbol still (0).
    pub(crate) fn ensure_record(&mut self, account: u32, symbol: SymbolId) -> u32 {
        if let Some(position) = self.accounts.position(account, symbol) {
            return position;
        }
        let mut position = self.position_or_new(account, symbol);
        position.state.leverage = 0;
        let owner = position.owner;
        let slot = self.positions.add(position);
        self.accounts.open_orders_mut(account, symbol).position = slot;
        self.contract_mut(symbol).holders.insert(owner, slot);
        slot
    }

    /// A copy of an account's record, or what a new one would be.
    pub(crate) fn position_or_new(&self, account: u32, symbol: SymbolId) -> Position {
        let leverage = self.contract(symbol).default_leverage();
        if let Some(record) = self.accounts.position(account, symbol) {
            let mut position = *self.positions.get(record);
            if position.state.leverage == 0 {
                position.state.leverage = leverage;
            }
            return position;
        }
        let (cost, margin) = (Amount::ZERO, Amount::ZERO);
        Position {
            account,
            owner: self.accounts.get(account).id,
            symbol,
            asset: self.symbols.at(symbol).terms.quote,
            state: State { mode: MarginMode::Cross, leverage, quantity: 0, cost, margin },
            limit: 0,
            open: [OpenSide::default(); 2],
            reduce_only: [0; 2],
            reduce_only_reserves: 0,
            touched: Sequence(0),
            queued: false,
            watched: [NOWHERE; 2],
            rank: 0,
        }
    }

    /// Counts an order that begins to work, or that has changed: sets its reserve.
    pub(crate) fn count_in(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        debug_assert!(!order.counted);
        let weight = self.weight(order, order.remaining.0).expect("its reserve was checked when it was taken");
        self.count_weight(slot, &weight, true);
    }

    /// No longer counts an order; whether it was counted.
    pub(crate) fn count_out(&mut self, slot: u32) -> bool {
        let order = self.orders.get(slot);
        if !order.counted {
            return false;
        }
        let weight = self.weight(order, order.remaining.0).expect("it was counted");
        self.count_weight(slot, &weight, false);
        true
    }

    fn count_weight(&mut self, slot: u32, weight: &Weight, counts: bool) {
        let order = self.orders.get_mut(slot);
        order.counted = counts;
        if counts {
            order.hold = Amount(fits(weight.reserve));
        }
        let (account, symbol) = (order.account, order.symbol);
        let position = self.ensure_position(account, symbol);
        let order = self.orders.get(slot);
        let sign = if counts { 1 } else { -1 };
        self.positions.get_mut(position).count(order, weight.value, sign);
        if !weight.reduce_only {
            self.contract_mut(symbol).open_lots[weight.side.index()] += sign * weight.lots;
        }
    }

    /// A fill of lots at a price: fee, closing, opening, floor. `fee` goes to FEES.
    #[expect(clippy::too_many_arguments, reason = "a fill")]
    pub(crate) fn fill_position(
        &mut self,
        account: u32,
        symbol: SymbolId,
        side: Side,
        price: Price,
        lots: i64,
        fee: Amount,
        kind: Kind,
    ) -> Closed {
        let slot = self.ensure_position(account, symbol);
        let k = self.symbols.at(symbol).terms.k;
        let mark = self.contract(symbol).mark;
        let Position { asset, state, .. } = *self.positions.get(slot);
        let sign: i64 = if side == Side::Buy { 1 } else { -1 };
        let wallet_before = self.accounts.futures(account, asset).0;
        let isolated = state.mode == MarginMode::Isolated;
        // What goes to the wallet, and to the isolated margin.
        let (mut to_wallet, mut margin) = (-i128::from(fee.0), i128::from(state.margin.0));
        if fee.0 != 0 {
            let fees = self.system(AccountId::FEES);
            self.accounts.change_futures(fees, asset, fee.0);
        }
        let held = state.quantity;
        let closing = if held.signum() == -sign { lots.min(held.abs()) } else { 0 };
        let (mut quantity, mut cost) = (i128::from(held), i128::from(state.cost.0));
        let mut closed = Closed::default();
        if closing > 0 {
            let share = div_ceil(cost * i128::from(closing), i128::from(held.abs()));
            let pnl = -notional(price, sign * closing, k) - share;
            cost -= share;
            quantity += i128::from(sign * closing);
            closed = Closed { lots: closing, pnl: fits(pnl), isolated, short: 0 };
            if !isolated {
                to_wallet += pnl;
            } else if kind == Kind::InBucket {
                margin += pnl;
            } else {
                let released = div_floor(margin * i128::from(closing), i128::from(held.abs()));
                let net = released + pnl;
                if net >= 0 {
                    to_wallet += net;
                    margin -= released;
                } else {
                    margin += net - released;
                }
                if quantity == 0 && margin < 0 {
                    match kind {
                        Kind::Settlement => closed.short = fits(margin),
                        _ => to_wallet += margin,
                    }
                    margin = 0;
                }
            }
        }
        let opening = lots - closing;
        if opening > 0 {
            let value = notional(price, sign * opening, k);
            cost += value;
            quantity += i128::from(sign * opening);
            if isolated {
                let loss = i128::from(sign) * (i128::from(price.0) - i128::from(mark.0));
                let loss = loss.max(0) * i128::from(opening) * i128::from(k.0);
                let wanted = div_ceil(value.abs(), i128::from(state.leverage)) + loss;
                let moved = wanted.min((i128::from(wallet_before) + to_wallet).max(0));
                to_wallet -= moved;
                margin += moved;
            }
        }
        if isolated && quantity != 0 && kind == Kind::Ordinary {
            let lowest = i128::from(wallet_before).min(0);
            let short = lowest - (i128::from(wallet_before) + to_wallet);
            if short > 0 {
                to_wallet += short;
                margin -= short;
            }
        }
        if to_wallet != 0 {
            self.accounts.change_futures(account, asset, fits(to_wallet));
        }
        let after = self.positions.change(slot);
        (after.quantity, after.cost, after.margin) = (fits(quantity), Amount(fits(cost)), Amount(fits(margin)));
        let after = *after;
        self.counted_position(account, symbol, asset, state, after);
        self.touch_position(slot);
        self.touch_wallet(account, asset);
        closed
    }

    /// Keeps what depends on which positions there are: open interest, cross positions of a wallet.
    fn counted_position(&mut self, account: u32, symbol: SymbolId, asset: AssetId, before: State, after: State) {
        self.contract_mut(symbol).open_interest += after.quantity.max(0) - before.quantity.max(0);
        if after.mode == MarginMode::Cross && (before.quantity == 0) != (after.quantity == 0) {
            let positions = &mut self.accounts.futures_mut(account, asset).positions;
            *positions = if after.quantity == 0 { *positions - 1 } else { *positions + 1 };
        }
    }

    /// INSURANCE pays what an account without cross positions lacks: FUND(DEFICIT).
    pub(crate) fn cover_deficit(&mut self, account: u32, symbol: SymbolId, out: &mut EventWriter<'_>) {
        let asset = self.symbols.at(symbol).terms.quote;
        let lacks = self.accounts.futures(account, asset).0;
        let id = self.accounts.get(account).id;
        let is_liquidated = self.liquidation.as_ref().is_some_and(|liquidation| liquidation.account == account);
        if lacks >= 0 || id.is_system() || is_liquidated || self.accounts.cross_positions(account, asset) != 0 {
            return;
        }
        self.accounts.change_futures(account, asset, -lacks);
        self.touch_wallet(account, asset);
        self.pay_fund(account, symbol, FundReason::Deficit, i128::from(lacks), 0, out);
    }

    /// Money into the fund (negative: out of it), and FUND.
    pub(crate) fn pay_fund(
        &mut self,
        account: u32,
        symbol: SymbolId,
        reason: FundReason,
        amount: i128,
        lots: i64,
        out: &mut EventWriter<'_>,
    ) {
        let asset = self.symbols.at(symbol).terms.quote;
        let amount = fits(amount);
        if amount != 0 {
            let insurance = self.system(AccountId::INSURANCE);
            self.accounts.change_futures(insurance, asset, amount);
        }
        let header = Fund::header(reason.code(), 0, self.accounts.get(account).id.0);
        out.push(&Fund { header, symbol, asset, amount: Amount(amount), quantity: Qty(lots) });
    }

    /// Slot of one of the exchange's own accounts.
    #[inline]
    pub(crate) fn system(&self, id: AccountId) -> u32 {
        self.accounts.find(id).expect("system accounts exist from the beginning")
    }
}
