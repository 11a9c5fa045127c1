//! Takeover by the insurance fund, auto-deleveraging, and the fund's own (DOMAIN §6.6, §6.7; docs/PERPETUAL.md).
//!
//! Invariants: every lot that a bucket closes at the bankruptcy price is taken by the fund or closed by a candidate at that
//! price, so ΣQ = 0 again when the step is over; candidates are ranked once for each takeover, ties by account.

use super::contract::share_floor;
use super::fill::Kind;
use super::liquidation::{Liquidation, Step};
use super::margin::{unrealized, value_of};
use super::positions::Position;
use super::work_loop::{Bucket, FundRound};
use crate::engine::Engine;
use crate::orders::NIL;
use ringbook_event::{Adl, Config, EventWriter, Record, Takeover};
use ringbook_wire::message::MessageType;
use ringbook_wire::{AccountId, Amount, EndReason, FundReason, Price, Qty, Side, SymbolId, div_floor};

impl Engine {
    /// The customer closes everything at the bankruptcy price; the fund and ADL take the lots.
    pub(crate) fn take_over(&mut self, account: u32, bucket: Bucket, slot: u32, out: &mut EventWriter<'_>) {
        let position = *self.positions.get(slot);
        let symbol = position.symbol;
        let price = self.bankruptcy_price(account, bucket, &position);
        let (lots, side) = (position.state.quantity.abs(), position.closing_side().expect("lots to be taken over"));
        let closed = self.fill_position(account, symbol, side, price, lots, Amount::ZERO, Kind::InBucket);
        let left = self.health(account, bucket);
        let residual = if left.positions == 0 { left.equity } else { 0 };
        if residual != 0 {
            self.take_from_bucket(account, bucket, residual);
        }
        // The fund's share is told first, but what is left of the bucket is in its cash already.
        let insurance = self.system(AccountId::INSURANCE);
        let cash = i128::from(self.accounts.futures(insurance, position.asset).0) + residual;
        let fund = self.fund_lots(insurance, &position, price, lots, cash);
        out.push(&Takeover {
            header: Takeover::header(position.state.mode.code(), 0, position.owner.0),
            symbol,
            reserved: 0,
            quantity: Qty(position.state.quantity),
            price,
            pnl: Amount(closed.pnl),
            fund: Qty(fund),
        });
        if residual != 0 {
            self.pay_fund(account, symbol, FundReason::Residual, residual, 0, out);
        }
        if fund > 0 {
            self.give_to_fund(symbol, side.opposite(), price, fund);
        }
        let rest = lots - fund;
        let candidates = match rest {
            0 => Vec::new(),
            rest => self.takers_of(symbol, side.opposite(), price, rest),
        };
        self.set_step(Step::Cover { symbol, side, price, rest, candidates });
    }

    /// Lots that the fund takes of a position closed at a price: netting first, then what its capacity allows.
    fn fund_lots(&self, insurance: u32, position: &Position, price: Price, lots: i64, cash: i128) -> i64 {
        let symbol = position.symbol;
        let (contract, k) = (self.contract(symbol), self.symbols.at(symbol).terms.k);
        let taken_side = if position.state.quantity > 0 { Side::Buy } else { Side::Sell };
        let own = self.position_or_new(insurance, symbol);
        let netted = own.closable(taken_side).min(lots);
        // As the fund stands after netting: what that realises moves from gains that are not realised, plus what the price
        // differs from the mark.
        let sign: i128 = if taken_side == Side::Buy { 1 } else { -1 };
        let per_lot = sign * (i128::from(contract.mark.0) - i128::from(price.0)) * i128::from(k.0);
        let (mut gains, mut held) = (0, 0);
        for slot in self.positions_of(insurance, Bucket::Cross(position.asset)) {
            let other = self.positions.get(slot);
            let (mark, k) = (self.contract(other.symbol).mark, self.symbols.at(other.symbol).terms.k);
            gains += unrealized(other, mark, k);
            held += value_of(other, mark, k);
        }
        // Netting `n` lots at `price`: W changes by what is realised, UPNL by the rest; together by n times the distance to
        // the mark. The capacity looks at both: F is cash alone.
        let realized = self.realized_by(&own, taken_side, price, netted);
        let cash = cash + realized;
        let gains = gains + i128::from(netted) * per_lot - realized;
        let held = held - i128::from(netted) * i128::from(contract.mark.0) * i128::from(k.0);
        let rest = i128::from(lots - netted);
        let loss = (-per_lot).max(0);
        let mut most = match loss {
            0 => rest,
            loss => div_floor(cash + gains, loss).max(0),
        };
        let room = share_floor(cash, contract.terms.fund_multiple.0) - held;
        most = most.min(div_floor(room, i128::from(contract.mark.0) * i128::from(k.0)).max(0));
        netted + i64::try_from(most.min(rest)).expect("at most the rest")
    }

    /// What closing lots of a position at a price realises.
    fn realized_by(&self, position: &Position, side: Side, price: Price, lots: i64) -> i128 {
        if lots == 0 {
            return 0;
        }
        let k = self.symbols.at(position.symbol).terms.k;
        let held = i128::from(position.state.quantity.abs());
        let share = ringbook_wire::div_ceil(i128::from(position.state.cost.0) * i128::from(lots), held);
        let sign = if side == Side::Buy { 1 } else { -1 };
        -super::positions::notional(price, sign * lots, k) - share
    }

    fn bucket_of(position: &Position) -> Bucket {
        if position.is_isolated() { Bucket::Isolated(position.symbol) } else { Bucket::Cross(position.asset) }
    }

    pub(crate) fn bucket_equity(&self, position: &Position) -> i128 {
        self.health(position.account, Self::bucket_of(position)).equity
    }

    /// One candidate, or one of its orders; then the next step.
    pub(crate) fn cover(
        &mut self,
        symbol: SymbolId,
        side: Side,
        price: Price,
        rest: i64,
        mut candidates: Vec<u32>,
        out: &mut EventWriter<'_>,
    ) {
        let of = self.accounts.get(self.liquidation.as_ref().expect("a takeover").account).id;
        let mut rest = rest;
        while rest > 0
            && let Some(&slot) = candidates.last()
        {
            let candidate = *self.positions.get(slot);
            let lots = self.lots_of(&candidate, price, rest);
            if lots == 0 {
                candidates.pop();
                continue;
            }
            if !self.has_room(out) {
                break;
            }
            if let Some(order) = self.first_order_in(candidate.account, symbol) {
                self.take_out(order);
                self.expire(order, EndReason::Adl, 0, out);
                continue;
            }
            candidates.pop();
            rest -= lots;
            self.deleverage(&candidate, of, side, price, lots, out);
            if !self.chores.is_empty() {
                return self.set_step(Step::Cover { symbol, side, price, rest, candidates });
            }
        }
        if rest > 0 && !candidates.is_empty() {
            return self.set_step(Step::Cover { symbol, side, price, rest, candidates });
        }
        let own = of == AccountId::INSURANCE;
        if rest > 0 {
            self.keep_uncovered(symbol, side, price, rest, own, out);
        }
        if own {
            self.liquidation = None;
        } else {
            self.after_cover(out);
        }
    }

    /// The first order of an account in a symbol, by order id.
    pub(crate) fn first_order_in(&self, account: u32, symbol: SymbolId) -> Option<u32> {
        let heads = [Side::Buy, Side::Sell].map(|side| self.accounts.first_open(account, symbol, side));
        heads.into_iter().filter(|&head| head != NIL).min_by_key(|&head| self.orders.get(head).id)
    }

    /// A candidate closes lots: ADL.
    fn deleverage(
        &mut self,
        candidate: &Position,
        of: AccountId,
        side: Side,
        price: Price,
        lots: i64,
        out: &mut EventWriter<'_>,
    ) {
        let symbol = candidate.symbol;
        let opposite = side.opposite();
        if of == AccountId::INSURANCE {
            let insurance = self.system(AccountId::INSURANCE);
            self.fill_position(insurance, symbol, side, price, lots, Amount::ZERO, Kind::Ordinary);
            self.note_chores(insurance, symbol, false);
        }
        let closed = self.fill_position(candidate.account, symbol, opposite, price, lots, Amount::ZERO, Kind::Ordinary);
        out.push(&Adl {
            header: Adl::header(candidate.state.mode.code(), 0, candidate.owner.0),
            symbol,
            of,
            quantity: Qty(lots),
            price,
            pnl: Amount(closed.pnl),
        });
        self.cover_deficit(candidate.account, symbol, out);
    }

    /// Nobody covers these lots: the fund keeps them, and the symbol only reduces from here on.
    fn keep_uncovered(
        &mut self,
        symbol: SymbolId,
        side: Side,
        price: Price,
        rest: i64,
        own: bool,
        out: &mut EventWriter<'_>,
    ) {
        if !own {
            self.give_to_fund(symbol, side.opposite(), price, rest);
        }
        let account = self.liquidation.as_ref().expect("a takeover").account;
        self.pay_fund(account, symbol, FundReason::Uncovered, 0, rest, out);
        let contract = self.contract_mut(symbol);
        if !contract.reduce_only {
            contract.reduce_only = true;
            let header = Config::header(MessageType::SetPerpetual as u8, 1, symbol.0);
            out.push(&Config { header, reserved: 0 });
        }
    }

    /// INSURANCE takes lots at a price.
    pub(crate) fn give_to_fund(&mut self, symbol: SymbolId, side: Side, price: Price, lots: i64) {
        let insurance = self.system(AccountId::INSURANCE);
        self.fill_position(insurance, symbol, side, price, lots, Amount::ZERO, Kind::Ordinary);
        self.note_chores(insurance, symbol, false);
    }

    /// After a takeover: other positions of the bucket may be unhealthy still.
    fn after_cover(&mut self, out: &mut EventWriter<'_>) {
        let Some(Liquidation { account, bucket, .. }) = self.liquidation.as_ref() else { return };
        if !self.health(*account, *bucket).is_unhealthy() {
            self.end_liquidation(out);
        }
    }

    /// The fund's own ADL for the first asset that is due: one position, or the round is over.
    pub(crate) fn begin_fund_round(&mut self) {
        let Some(round) = self.fund_rounds.first() else { return };
        let insurance = self.system(AccountId::INSURANCE);
        let bucket = Bucket::Cross(round.asset);
        let mut worst: Option<(i128, SymbolId, u32)> = None;
        if self.health(insurance, bucket).equity < 0 {
            for slot in self.positions_of(insurance, bucket) {
                let position = self.positions.get(slot);
                let k = self.symbols.at(position.symbol).terms.k;
                let gain = unrealized(position, self.contract(position.symbol).mark, k);
                let open = self.is_liquidable(position.symbol) && !round.done.contains(&position.symbol);
                if open && gain < 0 && worst.is_none_or(|worst| (gain, position.symbol) < (worst.0, worst.1)) {
                    worst = Some((gain, position.symbol, slot));
                }
            }
        }
        let Some((_, symbol, slot)) = worst else {
            self.fund_rounds.remove(0);
            return;
        };
        let round = &mut self.fund_rounds[0];
        let at = round.done.partition_point(|&done| done < symbol);
        round.done.insert(at, symbol);
        let position = *self.positions.get(slot);
        let price = self.bankruptcy_price(insurance, bucket, &position);
        let (side, rest) = (position.closing_side().expect("it has lots"), position.state.quantity.abs());
        let candidates = self.takers_of(symbol, side.opposite(), price, rest);
        let step = Step::Cover { symbol, side, price, rest, candidates };
        self.liquidation = Some(Liquidation { account: insurance, bucket, symbol, step });
    }

    /// A mark was accepted: the fund is looked at again.
    pub(crate) fn fund_is_due(&mut self, symbol: SymbolId) {
        let asset = self.symbols.at(symbol).terms.quote;
        match self.fund_rounds.binary_search_by_key(&asset, |round| round.asset) {
            Ok(at) => self.fund_rounds[at].done.clear(),
            Err(at) => self.fund_rounds.insert(at, FundRound { asset, done: Vec::new() }),
        }
    }
}
