//! A crisis: a perpetual stops, its mark goes far, those who win leave, others come in with little margin, and it trades
//! again. So the lots of those who lost everything find few who could take them.

use super::super::Generator;
use super::super::world::{CUSTOMERS, FIRST, trader_of};
use super::Held;
use ringbook_event::Origin;
use ringbook_wire::message::{CancelAll, Deposit, Mark, Message, NewOrder, SetStatus, Transfer};
use ringbook_wire::{
    AccountId, Amount, OrderType, Price, Qty, Side, StpMode, SymbolId, SymbolStatus, TimeInForce, TimestampNs,
    order_flags,
};

/// The step at which the mark jumps, where somebody was made rich before.
const JUMP: u32 = 4 + CUSTOMERS;

/// One that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crisis {
    symbol: u32,
    falls: bool,
    /// It stops in PRE_OPEN; else in CANCEL_ONLY, where liquidation goes on without orders.
    collects: bool,
    /// An isolated short who got much money and closes a part, so that its margin is far below nothing.
    rich: Option<u32>,
    /// Commands until it trades again.
    left: u64,
    /// Steps that were done: stopped, deposited, transferred, cleared, jumped.
    done: u8,
}

impl Generator {
    /// The next command of a crisis that goes on, or now and then of a new one.
    pub(super) fn crisis_command(&mut self) -> Option<(Origin, Vec<u8>)> {
        let Some(mut crisis) = self.perpetuals.crisis else {
            if self.random.chance(1, 150) {
                self.perpetuals.crisis = self.new_crisis();
            }
            return None;
        };
        crisis.done += 1;
        self.perpetuals.crisis = Some(crisis);
        if crisis.done == 1 {
            let status = if crisis.collects { SymbolStatus::PreOpen } else { SymbolStatus::CancelOnly };
            return Some(self.crisis_status(crisis, status));
        }
        match (crisis.rich, u32::from(crisis.done)) {
            (Some(account), 2..4) => return Some(self.make_rich(account, crisis.symbol, crisis.done == 3)),
            // Nobody else sells at the old price.
            (Some(_), step @ 4..JUMP) => return Some(self.clear(FIRST + step - 4, crisis.symbol)),
            (Some(_), JUMP) | (None, 2) => return Some(self.crisis_mark(crisis)),
            _ => crisis.done = JUMP as u8,
        }
        if crisis.left == 0 {
            self.perpetuals.crisis = None;
            return Some(self.crisis_status(crisis, SymbolStatus::Trading));
        }
        crisis.left -= 1;
        self.perpetuals.crisis = Some(crisis);
        Some(self.crisis_order(crisis))
    }

    fn new_crisis(&mut self) -> Option<Crisis> {
        let symbol = self.perpetual();
        let mut open = self.perpetuals.open();
        open.retain(|(key, _)| key.1 == symbol);
        let trades = self.status.get(&symbol) == Some(&SymbolStatus::Trading);
        let falls = self.random.chance(if self.perpetuals.mark(symbol) < 80 { 1 } else { 2 }, 4);
        let collects = self.random.chance(3, 4);
        let left = if collects { 4 + self.random.below(16) } else { self.random.below(3) };
        // Only a short can be closed so badly that not even a price of one tick makes up for it.
        let is_short = |held: &Held| held.quantity < -1 && held.isolated;
        let short = open.iter().find(|(key, held)| key.0 >= 16 && is_short(held)).map(|(key, _)| key.0);
        let rich = short.filter(|_| collects && self.random.chance(2, 3));
        let falls = falls && rich.is_none();
        let left = if rich.is_some() { left + 8 } else { left };
        (trades && open.len() >= 2).then_some(Crisis { symbol, falls, collects, rich, left, done: 0 })
    }

    fn clear(&self, account: u32, symbol: u32) -> (Origin, Vec<u8>) {
        let (account, symbol) = (AccountId(account), SymbolId(symbol));
        Self::internal(&CancelAll { account, symbol, ..CancelAll::new(0) })
    }

    /// A deposit, then its transfer.
    fn make_rich(&mut self, account: u32, symbol: u32, transfers: bool) -> (Origin, Vec<u8>) {
        let asset = self.perpetuals.terms(symbol).quote;
        let adjustment = self.next_adjustment(account);
        let (account, amount) = (AccountId(account), Amount(1_000_000));
        if transfers {
            return Self::internal(&Transfer { account, asset, adjustment, amount, direction: 1, ..Transfer::new(0) });
        }
        Self::internal(&Deposit { account, asset, adjustment, amount, ..Deposit::new(0) })
    }

    fn crisis_status(&self, crisis: Crisis, status: SymbolStatus) -> (Origin, Vec<u8>) {
        let symbol = SymbolId(crisis.symbol);
        Self::internal(&SetStatus { symbol, status: status.code(), ..SetStatus::new(0) })
    }

    fn crisis_mark(&mut self, crisis: Crisis) -> (Origin, Vec<u8>) {
        let mark = self.perpetuals.mark(crisis.symbol);
        let far = if crisis.falls { self.random.between(15, 85) } else { self.random.between(115, 700) };
        let most = self.perpetuals.terms(crisis.symbol).max_price.0;
        let feed_time = self.now;
        self.perpetuals.feed_times.insert(crisis.symbol, feed_time);
        Self::internal(&Mark {
            symbol: SymbolId(crisis.symbol),
            force: 1,
            price: Price((mark * far / 100).clamp(3, most)),
            feed_time: TimestampNs(feed_time),
            ..Mark::new(0)
        })
    }

    /// A winner leaves, a loser closes a part, or somebody comes in on the winners' side.
    fn crisis_order(&mut self, crisis: Crisis) -> (Origin, Vec<u8>) {
        let symbol = crisis.symbol;
        let wins = |held: &Held| (held.quantity < 0) == crisis.falls;
        let all: Vec<_> =
            self.perpetuals.open().into_iter().filter(|(key, _)| key.1 == symbol && key.0 >= 16).collect();
        let (winners, losers): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, held)| wins(held));
        let who = match self.random.below(10) {
            0..4 => &winners,
            4..7 => &losers,
            _ => &Vec::new(),
        };
        let rich = crisis.rich.filter(|_| self.random.chance(1, 3));
        let rich = rich.and_then(|account| losers.iter().find(|(key, _)| key.0 == account));
        let (account, side, lots, closes) = if let Some(&((account, _), held)) = rich {
            let side = if held.quantity > 0 { Side::Sell } else { Side::Buy };
            (account, side, (held.quantity.abs() * 3 / 4).max(1), true)
        } else if who.is_empty() {
            let account = self.account();
            let side = if crisis.falls { Side::Sell } else { Side::Buy };
            (account, side, self.perpetual_lots(account, symbol), false)
        } else {
            let ((account, _), held) = who[self.random.below(who.len() as u64) as usize];
            let side = if held.quantity > 0 { Side::Sell } else { Side::Buy };
            let all = held.quantity.abs();
            let part = if wins(&held) { all } else { self.random.between(1, all) };
            (account, side, part, true)
        };
        let mark = self.perpetuals.mark(symbol);
        let through = self.random.between(-1, 4) * (mark / 60).max(1);
        let mut order = NewOrder {
            account: AccountId(account),
            symbol: SymbolId(symbol),
            price: Price((if side == Side::Buy { mark + through } else { mark - through }).max(1)),
            quantity: Qty(lots),
            side: side.code(),
            order_type: OrderType::Limit.code(),
            time_in_force: TimeInForce::Gtc.code(),
            stp: StpMode::None.code(),
            ..NewOrder::new(0)
        };
        if closes && self.random.chance(3, 4) {
            order.flags |= order_flags::REDUCE_ONLY;
        }
        let order = self.finish(order);
        self.sent(trader_of(order.account.0), &order)
    }
}
