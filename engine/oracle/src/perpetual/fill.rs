//! What a fill does to a position and its money (DOMAIN §6.3), and the two parties of a match (PERPETUAL "per match").
//!
//! Invariants: a fee, a profit and a cost always sum to what was paid; a flat position has neither cost nor margin; the
//! exchange's own accounts are never made good for.

use super::margin::sign;
use super::work::Bucket;
use crate::Oracle;
use crate::matching::Match;
use crate::money::{narrow, value};
use ringbook_event::{Fund, Realized, Record};
use ringbook_wire::{
    AccountId, Amount, AssetId, FundReason, OrderId, Qty, Side, SymbolId, TradeId, div_ceil, div_floor,
};

/// One side of a fill.
#[derive(Clone, Copy)]
pub struct Fill {
    pub account: u32,
    pub symbol: u32,
    pub side: Side,
    pub price: i128,
    pub quantity: i128,
    pub fee: i128,
    /// Of an isolated position: the profit stays in its margin and nothing is released (liquidation, settlement).
    pub into_margin: bool,
}

/// What a fill closed.
#[derive(Clone, Copy)]
pub struct Closed {
    /// `qc`.
    pub quantity: i128,
    pub pnl: i128,
}

/// A party of a match and what it closed by it.
pub struct Party {
    account: u32,
    order: u64,
    /// 1 taker, 2 maker, 3 uncross.
    role: u8,
    closed: Closed,
}

impl Oracle {
    /// Fee, close, open, floor: DOMAIN §6.3 in its order.
    pub(crate) fn fill(&mut self, fill: Fill) -> Closed {
        let symbol = self.symbols[&fill.symbol].clone();
        let (account, asset) = (fill.account, symbol.quote);
        let mut position = self.position(account, fill.symbol);
        self.touched.insert(self.bucket_of(account, fill.symbol));
        self.touched.insert(Bucket::cross(account, asset));
        let earlier = self.futures_wallet(account, asset);
        let mut wallet = earlier - fill.fee;

        let s = sign(fill.side);
        let is_opposite = position.quantity * s < 0;
        let quantity = if is_opposite { fill.quantity.min(position.quantity.abs()) } else { 0 };
        let mut closed = Closed { quantity, pnl: 0 };
        if quantity > 0 {
            let lots = position.quantity.abs();
            let cost = div_ceil(position.cost * quantity, lots);
            closed.pnl = -s * value(&symbol, fill.price, quantity) - cost;
            let released = div_floor(position.margin * quantity, lots);
            position.cost -= cost;
            position.quantity += s * quantity;
            if !position.is_isolated() {
                wallet += closed.pnl;
            } else if fill.into_margin || released + closed.pnl < 0 {
                position.margin += closed.pnl;
            } else {
                wallet += released + closed.pnl;
                position.margin -= released;
            }
            if position.quantity == 0 && position.margin < 0 && !fill.into_margin {
                wallet += position.margin;
                position.margin = 0;
            }
        }
        let opened = fill.quantity - quantity;
        if opened > 0 {
            let paid = value(&symbol, fill.price, opened);
            position.cost += s * paid;
            position.quantity += s * opened;
            if position.is_isolated() {
                let open_loss = value(&symbol, (s * (fill.price - self.mark_of(fill.symbol))).max(0), opened);
                let moved = (div_ceil(paid, position.leverage) + open_loss).min(wallet.max(0));
                wallet -= moved;
                position.margin += moved;
            }
        }
        let floor = earlier.min(0);
        if position.is_isolated() && position.quantity != 0 && wallet < floor && !fill.into_margin {
            position.margin -= floor - wallet;
            wallet = floor;
        }
        self.positions.insert((account, fill.symbol), position);
        self.pay_futures(account, asset, wallet - earlier);
        closed
    }

    /// The positions and the money of both parties: maker, then taker; in an uncross the buyer, who is the taker of the
    /// record, first.
    pub(crate) fn fill_parties(&mut self, m: &Match, maker_fee: i128, taker_fee: i128) -> Vec<Party> {
        let (taker, maker) = ((m.taker, taker_fee, 1), (m.maker, maker_fee, 2));
        let sides = if m.role == 2 { [(m.taker, taker_fee, 3), (m.maker, maker_fee, 3)] } else { [maker, taker] };
        sides
            .map(|(id, fee, role)| {
                let order = self.orders[&id].clone();
                let asset = self.symbols[&order.symbol].quote;
                let closed = self.fill(Fill {
                    account: order.account,
                    symbol: order.symbol,
                    side: order.side,
                    price: m.price,
                    quantity: m.quantity,
                    fee,
                    into_margin: self.liquidating == Some(order.account),
                });
                self.pay_futures(AccountId::FEES.0, asset, fee);
                Party { account: order.account, order: id, role, closed }
            })
            .into()
    }

    /// REALIZED of each party whose position became smaller, and FUND(DEFICIT) where it applies.
    pub(crate) fn push_fills(&mut self, symbol: u32, parties: &[Party]) {
        for party in parties {
            if party.closed.quantity > 0 {
                self.push_realized(party.role, party.account, symbol, (self.last_trade, party.order), party.closed);
            }
            self.cover_deficit(party.account, symbol);
        }
    }

    pub(crate) fn push_realized(
        &mut self,
        role: u8,
        account: u32,
        symbol: u32,
        (trade, order): (u64, u64),
        closed: Closed,
    ) {
        self.events.push(
            Realized {
                header: Realized::header(role, 0, account),
                symbol: SymbolId(symbol),
                reserved: 0,
                trade: TradeId(trade),
                order: OrderId(order),
                quantity: Qty(narrow(closed.quantity)),
                pnl: Amount(narrow(closed.pnl)),
            }
            .into(),
        );
    }

    /// After a match: trim and margin test of each party, an account that met itself once.
    pub(crate) fn test_parties(&mut self, symbol: u32, parties: &[Party]) {
        for (place, party) in parties.iter().enumerate() {
            if parties[..place].iter().any(|other| other.account == party.account) {
                continue;
            }
            let closes = |other: &Party| other.account == party.account && other.closed.quantity > 0;
            self.trim(party.account, symbol);
            if parties.iter().any(closes) && self.liquidating != Some(party.account) {
                self.test_margin(party.account, symbol);
            }
        }
    }

    /// FUND(DEFICIT): a customer without a cross position in the symbol's asset does not owe (DOMAIN §6.3).
    pub(crate) fn cover_deficit(&mut self, account: u32, symbol: u32) {
        let asset = self.symbols[&symbol].quote;
        let owed = -self.futures_wallet(account, asset);
        let exempt = AccountId(account).is_system() || self.liquidating == Some(account);
        if exempt || owed <= 0 || !self.cross_positions(account, asset).is_empty() {
            return;
        }
        self.pay_futures(account, asset, owed);
        self.pay_fund(FundReason::Deficit, account, symbol, -owed);
        self.touched.insert(Bucket::cross(account, asset));
    }

    /// FUND: money into the insurance fund, or out of it.
    pub(crate) fn pay_fund(&mut self, reason: FundReason, account: u32, symbol: u32, amount: i128) {
        let asset = self.symbols[&symbol].quote;
        self.pay_futures(AccountId::INSURANCE.0, asset, amount);
        self.push_fund(reason, account, symbol, amount, 0);
    }

    pub(crate) fn push_fund(&mut self, reason: FundReason, account: u32, symbol: u32, amount: i128, lots: i128) {
        self.events.push(
            Fund {
                header: Fund::header(reason.code(), 0, account),
                symbol: SymbolId(symbol),
                asset: AssetId(self.symbols[&symbol].quote),
                amount: Amount(narrow(amount)),
                quantity: Qty(narrow(lots)),
            }
            .into(),
        );
    }
}
