//! The engine and the naive oracle side by side, with questions about the engine's positions; a perpetual whose tick, lot
//! and unit of money are as fine as an example needs them.
//!
//! Invariants: the events of both are equal, and the engine's invariants (DOMAIN §8) hold, after every command.

use crate::common;
use crate::decimal::Decimal;
use ringbook_core::{MarginView, PositionView};
use ringbook_event::{Event, Origin};
use ringbook_oracle::scenario::perpetual::{R, perpetual};
use ringbook_oracle::scenario::{Desk, genesis};
use ringbook_oracle::{Exchange, Oracle};
use ringbook_wire::message::SetPerpetual;
use ringbook_wire::{AccountId, Amount, AssetId, Price, Qty, Rate, Side};
use std::cell::RefCell;
use std::rc::Rc;

/// The asset of all money here.
pub const COIN: u32 = 9;
/// Decimal places of a rate.
const RATE_PLACES: u32 = 8;
/// The most that an asset has.
const MOST_PLACES: u32 = 12;

/// A handle: a desk holds one to send, its owner another one to ask.
#[derive(Clone)]
pub struct Venue(Rc<RefCell<(common::Venue, Oracle)>>);

impl Venue {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new((common::Venue::new(), Oracle::new(&genesis())))))
    }

    #[track_caller]
    pub fn position(&self, account: u32, symbol: u32) -> PositionView {
        let positions = self.0.borrow().0.engine.positions(AccountId(account));
        positions.into_iter().find(|view| view.symbol.0 == symbol).expect("a position")
    }

    #[track_caller]
    pub fn margin(&self, account: u32) -> MarginView {
        let margins = self.0.borrow().0.engine.margins(AccountId(account));
        margins.into_iter().find(|view| view.asset.0 == COIN).expect("a futures wallet")
    }
}

impl Exchange for Venue {
    #[track_caller]
    fn apply(&mut self, sequence: u64, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        let (engine, oracle) = &mut *self.0.borrow_mut();
        let events = engine.apply(sequence, time_ns, origin, message);
        assert_eq!(events, oracle.apply(sequence, time_ns, origin, message), "the oracle's events");
        assert!(engine.engine.continuation().is_none(), "work is left");
        engine.engine.check_invariants().unwrap();
        events
    }
}

/// Decimal places of prices, quantities and money.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub tick: u32,
    pub lot: u32,
    pub unit: u32,
}

impl Scale {
    /// Prices to a tenth of a tolerance, money as fine as it may be up to 2 places below tick × lot.
    pub fn of(entry: Decimal, quantity: Decimal, tolerance: Decimal) -> Self {
        let finer = if tolerance == Decimal::ZERO { 0 } else { tolerance.places() + 1 };
        let (tick, lot) = (entry.places().max(finer), quantity.places());
        assert!(tick + lot <= MOST_PLACES, "tick and lot are too fine");
        Self { tick, lot, unit: (tick + lot + 2).min(MOST_PLACES) }
    }

    pub fn price(self, price: Price) -> Decimal {
        Decimal::from_units(price.0.into(), self.tick)
    }

    pub fn money(self, units: i128) -> Decimal {
        Decimal::from_units(units, self.unit)
    }
}

/// A rate in its units.
#[track_caller]
pub fn rate(rate: Decimal) -> Rate {
    Rate(rate.units(RATE_PLACES))
}

/// A position to be opened, as an example tells it.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub side: Side,
    pub quantity: Decimal,
    pub entry: Decimal,
    pub leverage: u32,
    pub maintenance: Decimal,
    /// Maintenance amount of the tier.
    pub amount: Decimal,
    /// Isolated margin, if it is not entry value / leverage.
    pub margin: Option<Decimal>,
    pub fee: Decimal,
}

impl Terms {
    pub fn value(&self) -> Decimal {
        self.quantity.times(self.entry)
    }

    /// The contract of the example: a maintenance amount needs a tier below, of half the rate.
    fn contract(&self, scale: Scale, message: &mut SetPerpetual) {
        let Scale { tick, lot, unit } = scale;
        let (entry, lots) = (self.entry.units(tick), self.quantity.units(lot));
        message.quote = AssetId(COIN);
        message.base_lot = Amount(1);
        message.quote_per_tick_lot = Amount(10_i64.pow(unit - tick - lot));
        message.max_price = Price(10 * entry);
        message.max_position = Qty(2 * lots);
        (message.max_quantity, message.max_market_quantity) = (Qty(2 * lots), Qty(2 * lots));
        (message.taker, message.maker) = (rate(self.fee), rate(self.fee));
        (message.liquidation_fee, message.funding_cap) = (Rate(0), Rate(R - 1));
        message.max_leverage = self.leverage;
        let mut tiers = vec![(1 << 62, rate(self.maintenance).0, 0)];
        if self.amount != Decimal::ZERO {
            let (full, amount) = (rate(self.maintenance).0, i128::from(self.amount.units(unit)));
            let half = full / 2;
            let cap = amount * i128::from(R) / i128::from(full - half);
            tiers = vec![(cap, half, 0), (1 << 62, full, amount)];
        }
        (message.tier_cap, message.tier_rate) = ([Amount(0); 8], [Rate(0); 8]);
        (message.tier_amount, message.tier_leverage) = ([Amount(0); 8], [0; 8]);
        message.tiers = u8::try_from(tiers.len()).expect("one or two");
        for (at, &(cap, rate, amount)) in tiers.iter().enumerate() {
            message.tier_cap[at] = Amount(i64::try_from(cap).expect("bounded"));
            message.tier_rate[at] = Rate(rate);
            message.tier_amount[at] = Amount(i64::try_from(amount).expect("bounded"));
            message.tier_leverage[at] = self.leverage;
        }
    }

    /// Opens it at the mark as an isolated position of account 100, against 199; returns the symbol.
    #[track_caller]
    pub fn open(&self, desk: &mut Desk<'_>, scale: Scale) -> u32 {
        let (entry, lots) = (self.entry.units(scale.tick), self.quantity.units(scale.lot));
        desk.asset(COIN, "COIN", u8::try_from(scale.unit).expect("few"));
        let symbol = desk.perpetual(|message| {
            *message = perpetual(message.symbol.0);
            self.contract(scale, message);
        });
        for account in [100, 199] {
            desk.account(account, 0);
            fund(desk, account, 20 * self.value().units(scale.unit));
        }
        desk.mark(symbol, entry);
        desk.isolate(100, symbol, self.leverage);
        match self.side {
            Side::Buy => desk.long(100, 199, symbol, entry, lots),
            Side::Sell => desk.short(100, 199, symbol, entry, lots),
        };
        if let Some(margin) = self.margin {
            let more = margin.units(scale.unit) - desk.position(100, symbol).2;
            assert_eq!(desk.add_margin(100, symbol, more).story(), ["Transfer"]);
        }
        symbol
    }
}

/// Brings money into a futures wallet.
#[track_caller]
pub fn fund(desk: &mut Desk<'_>, account: u32, amount: i64) {
    assert_eq!(desk.deposit(account, COIN, amount).story(), ["Transfer"]);
    assert_eq!(desk.transfer(account, COIN, 1, amount).story(), ["Transfer"]);
}
