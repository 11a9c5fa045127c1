//! What scripts about perpetuals need: the perpetual of DOMAIN §7, money in futures wallets, marks, positions.

use super::{BTC, Desk, Outcome, USDT, spot};
use ringbook_event::Event;
use ringbook_wire::message::{Mark, Message, SetLeverage, SetPerpetual, Transfer, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, MarginMode, Price, Qty, RATE_ONE, Rate, SymbolId, SymbolKind, TimestampNs,
};

/// One USDT in units.
pub const ONE: i64 = 100_000_000;

/// A perpetual that is a contract on nothing else's quote: BTC against USDT, tick 0.1, lot 0.001, K = 10,000; the tiers of
/// DOMAIN §2; no fees, no band, no limit of jumps; a fund of ten times its cash.
pub fn perpetual(symbol: u32) -> SetPerpetual {
    let common = spot(symbol);
    let mut terms = SetPerpetual {
        symbol: SymbolId(symbol),
        base: AssetId(BTC),
        quote: AssetId(USDT),
        kind: SymbolKind::Perpetual.code(),
        fee_model: common.fee_model,
        name: name_field(&format!("PERP-{symbol}")).expect("short"),
        base_lot: Amount(100_000),
        quote_per_tick_lot: Amount(10_000),
        min_price: Price(1),
        max_price: Price(2_000_000),
        min_quantity: Qty(1),
        max_quantity: Qty(100_000),
        max_market_quantity: Qty(100_000),
        slip: common.slip,
        max_open_orders: 200,
        max_trigger_orders: 10,
        stp: common.stp,
        status: common.status,
        max_position: Qty(100_000),
        mark_max_age: 3_600_000_000_000,
        funding_interval: 1,
        funding_cap: Rate(RATE_ONE / 100),
        fund_multiple: Rate(10 * RATE_ONE),
        max_leverage: 125,
        mark_confirmations: 3,
        ..SetPerpetual::new(0)
    };
    set_tiers(
        &mut terms,
        &[
            (50_000 * ONE, 400_000, 0, 125),
            (250_000 * ONE, 500_000, 50 * ONE, 100),
            (1_000_000 * ONE, 1_000_000, 1_300 * ONE, 50),
            (10_000_000 * ONE, 2_500_000, 16_300 * ONE, 20),
            (20_000_000 * ONE, 5_000_000, 266_300 * ONE, 10),
        ],
    );
    terms
}

/// Tiers as (cap, rate, amount, leverage).
pub fn set_tiers(terms: &mut SetPerpetual, tiers: &[(i64, i64, i64, u32)]) {
    (terms.tier_cap, terms.tier_rate) = ([Amount(0); 8], [Rate(0); 8]);
    (terms.tier_amount, terms.tier_leverage) = ([Amount(0); 8], [0; 8]);
    terms.tiers = tiers.len() as u8;
    for (place, &(cap, rate, amount, leverage)) in tiers.iter().enumerate() {
        (terms.tier_cap[place], terms.tier_rate[place]) = (Amount(cap), Rate(rate));
        (terms.tier_amount[place], terms.tier_leverage[place]) = (Amount(amount), leverage);
    }
}

/// A position as POSITION last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Signed lots.
    pub quantity: i64,
    /// Signed cost.
    pub cost: i64,
    /// Its own margin.
    pub margin: i64,
}

impl Desk<'_> {
    /// Makes a perpetual like [`perpetual`], changed as told, and returns its id.
    #[track_caller]
    pub fn perpetual(&mut self, change: impl FnOnce(&mut SetPerpetual)) -> u32 {
        self.symbols += 1;
        let mut message = perpetual(self.symbols);
        change(&mut message);
        assert_eq!(self.send(&message).names(), ["Config"]);
        self.symbols
    }

    /// Makes an account with money in its futures wallet.
    #[track_caller]
    pub fn trader(&mut self, account: u32, amount: i64) {
        self.account(account, 0);
        self.fund_futures(account, amount);
    }

    /// A deposit of USDT that goes on to the futures wallet.
    #[track_caller]
    pub fn fund_futures(&mut self, account: u32, amount: i64) {
        self.deposit(account, USDT, amount);
        let outcome = self.transfer(account, 1, amount);
        assert_eq!(outcome.names(), ["Transfer"]);
    }

    /// TRANSFER of USDT: 1 to the futures wallet, 2 back.
    pub fn transfer(&mut self, account: u32, direction: u8, amount: i64) -> Outcome {
        let adjustment = self.next_adjustment(account);
        let (account, asset, amount) = (AccountId(account), AssetId(USDT), Amount(amount));
        self.send(&Transfer { account, asset, adjustment, amount, direction, ..Transfer::new(0) })
    }

    /// Mode and leverage.
    pub fn leverage(&mut self, account: u32, symbol: u32, mode: MarginMode, leverage: u32) -> Outcome {
        let (account, symbol) = (AccountId(account), SymbolId(symbol));
        self.send(&SetLeverage { account, symbol, leverage, mode: mode.code(), ..SetLeverage::new(0) })
    }

    /// A mark of this moment.
    pub fn mark(&mut self, symbol: u32, price: i64) -> Outcome {
        let feed_time = TimestampNs(self.now);
        self.send(&Mark { symbol: SymbolId(symbol), price: Price(price), feed_time, ..Mark::new(0) })
    }

    /// A position.
    pub fn held(&self, account: u32, symbol: u32) -> Held {
        self.positions.get(&(account, symbol)).copied().unwrap_or_default()
    }

    /// A futures wallet of USDT.
    pub fn futures(&self, account: u32) -> i64 {
        self.futures.get(&(account, USDT)).copied().unwrap_or(0)
    }

    pub(super) fn note_perpetual(&mut self, event: &Event) {
        match event {
            Event::Position(e) => {
                let held = Held { quantity: e.quantity.0, cost: e.cost.0, margin: e.margin.0 };
                self.positions.insert((e.header.subject, e.symbol.0), held);
            }
            Event::Balance(e) if e.header.a == 2 => {
                self.futures.insert((e.header.subject, e.asset.0), e.available.0);
            }
            _ => {}
        }
    }
}
