//! What the oracle knows: assets, symbols, accounts, keys, wallets and orders (DOMAIN §2–§4).
//!
//! Invariants: quantities and amounts are `i128`, so that no formula needs a thought about overflow; the only open
//! orders are those in [`crate::Oracle`]'s one map of orders, and a book is a scan over it.

use crate::perpetual::Perpetual;
use ringbook_wire::{
    FeeModel, OrderState, OrderType, Role, Side, StpMode, SymbolStatus, TimeInForce, TriggerDirection, TriggerSource,
};
use std::collections::BTreeMap;

/// An asset; its name and scale never change.
#[derive(Clone, Debug)]
pub struct Asset {
    pub name: [u8; 16],
    pub scale: u8,
}

/// A spot symbol, or a perpetual (DOMAIN §2).
#[derive(Clone, Debug)]
pub struct Symbol {
    pub name: [u8; 24],
    pub base: u32,
    pub quote: u32,
    pub fee_group: u16,
    pub fee_model: FeeModel,
    pub base_lot: i128,
    /// `K`.
    pub quote_per_tick_lot: i128,
    pub min_price: i128,
    pub max_price: i128,
    pub min_quantity: i128,
    pub max_quantity: i128,
    pub max_market_quantity: i128,
    pub min_notional: i128,
    pub max_notional: i128,
    pub band: i128,
    pub slip: i128,
    pub taker: i128,
    pub maker: i128,
    pub max_open_orders: u32,
    pub max_trigger_orders: u32,
    pub stp: StpMode,
    pub status: SymbolStatus,
    /// Price of the last trade.
    pub last: Option<i128>,
    /// What a perpetual has beyond; none on spot.
    pub perpetual: Option<Perpetual>,
}

impl Symbol {
    /// What the band and market orders look at: the mark of a perpetual (also a stale one), else the last trade.
    pub fn reference(&self) -> Option<i128> {
        match &self.perpetual {
            Some(perpetual) => perpetual.mark_price(),
            None => self.last,
        }
    }

    /// The price that a trigger looks at.
    pub fn watched(&self, source: TriggerSource) -> Option<i128> {
        match source {
            TriggerSource::Last => self.last,
            TriggerSource::Mark => self.perpetual.as_ref().and_then(Perpetual::mark_price),
        }
    }

    /// Whether a trigger's condition holds.
    pub fn triggers(&self, trigger: Trigger) -> bool {
        trigger.holds(self.watched(trigger.source))
    }
}

/// The last adjustment number of an account and what became of it (DOMAIN §3.2).
#[derive(Clone, Debug)]
pub struct Adjustment {
    pub number: u64,
    /// Message type and bytes from offset 8 on; none matches every payload (QUARANTINE).
    pub payload: Option<(u8, Vec<u8>)>,
    /// 0, or the code of the refusal.
    pub code: u16,
}

/// An account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub group: u32,
    pub suspended: bool,
    /// Own taker and maker rate by fee group.
    pub fees: BTreeMap<u16, (i128, i128)>,
    /// Most lots of a position by perpetual, where one is set.
    pub limits: BTreeMap<u32, i128>,
    pub adjustment: Option<Adjustment>,
}

impl Account {
    /// The last adjustment number; 0 if there was none.
    pub fn last_adjustment(&self) -> u64 {
        self.adjustment.as_ref().map_or(0, |last| last.number)
    }
}

/// A key that may send commands.
#[derive(Clone, Debug)]
pub struct Key {
    pub role: Role,
    pub revoked: bool,
    pub first_account: u32,
    pub last_account: u32,
}

/// What an account has of an asset (DOMAIN §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    pub available: i128,
    pub held: i128,
}

/// What an order waits for (DOMAIN §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub source: TriggerSource,
    pub direction: TriggerDirection,
    pub price: i128,
}

impl Trigger {
    /// Whether the condition holds at the price that it looks at; without one it does not.
    fn holds(&self, price: Option<i128>) -> bool {
        match (self.direction, price) {
            (_, None) => false,
            (TriggerDirection::RisesTo, Some(price)) => price >= self.price,
            (TriggerDirection::FallsTo, Some(price)) => price <= self.price,
        }
    }
}

/// An open order, or the taker of the running command.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: u64,
    /// Sequence of its acceptance.
    pub sequence: u64,
    pub account: u32,
    pub symbol: u32,
    pub client_id: u128,
    /// The NEW_ORDER message from offset 8 on.
    pub payload: Vec<u8>,
    pub send_time: u64,
    pub session: u64,
    pub side: Side,
    /// Of a stop order LIMIT or MARKET from the moment on when it runs.
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    /// End of a GTD order, else 0.
    pub expire_at: u64,
    /// Some while the order is untriggered.
    pub trigger: Option<Trigger>,
    /// Buys for a quote budget: `orig` grows with each fill, `remaining` is 0, `hold` is what is left of the budget.
    pub by_budget: bool,
    /// Never DEFAULT: the symbol's is filled in.
    pub stp: StpMode,
    pub post_only: bool,
    pub cancel_on_disconnect: bool,
    /// Only closes (perpetual); a close-position order from the moment on when it runs.
    pub reduce_only: bool,
    /// Waits without lots and takes those of the position when it runs (perpetual).
    pub close_position: bool,
    /// Most lots that it shows; 0 shows all.
    pub display: i128,
    /// Limit, or the protection price of a market order (0 without an opposite side or before it is triggered).
    pub price: i128,
    /// Rates copied at acceptance.
    pub taker: i128,
    pub maker: i128,
    pub orig: i128,
    pub filled: i128,
    pub prevented: i128,
    pub cut: i128,
    pub remaining: i128,
    /// The part of `remaining` that is in the queue; 0 while the order is in none.
    pub shown: i128,
    pub cost: i128,
    pub fee: i128,
    pub carry: i128,
    pub hold: i128,
    /// `pm`: what a lot counts with in initial margin, frozen (DOMAIN §6.2); 0 on spot and while it waits.
    pub margin_price: i128,
    /// What a lot loses against the mark at the limit, frozen likewise.
    pub loss_per_lot: i128,
    /// Queue sequence; none while the order is a taker or waits for its trigger.
    pub queue: Option<u64>,
}

impl Order {
    /// State of an order that is open (DOMAIN §4.2).
    pub fn open_state(&self) -> OrderState {
        match (self.trigger, self.filled) {
            (Some(_), _) => OrderState::Untriggered,
            (None, 0) => OrderState::New,
            (None, _) => OrderState::PartiallyFilled,
        }
    }

    /// The asset in which the order holds.
    pub fn hold_asset(&self, symbol: &Symbol) -> u32 {
        match self.side {
            Side::Buy => symbol.quote,
            Side::Sell => symbol.base,
        }
    }
}
