//! The generator's world: assets, symbols with different rules, accounts with groups, keys with roles, first deposits.

use super::{Command, Feature, Generator};
use crate::scenario::bytes;
use ringbook_event::Origin;
use ringbook_wire::message::{Deposit, Message, SetAccount, SetAsset, SetKey, SetSymbol, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, FeeModel, KeyId, Price, Qty, Rate, Role, StpMode, SymbolId, SymbolKind, SymbolStatus,
};

/// First customer of the stream.
pub const FIRST: u32 = 100;
/// Customers of the stream.
pub const CUSTOMERS: u32 = 12;
/// Assets: two bases and a quote.
pub const ASSETS: u32 = 3;
/// The first symbol that may be closed; its successors have the numbers after it.
pub const FIRST_SPARE: u32 = 20;
/// The middle of all prices.
pub const MIDDLE: i64 = 100;
/// The key that trades for the first half of the customers; the next one for the second.
pub const TRADER: u32 = 1;
/// The key of deposits and withdrawals.
pub const TREASURER: u32 = 3;
/// The key of configuration.
pub const ADMIN: u32 = 4;

/// The key that may trade for a customer.
pub fn trader_of(account: u32) -> u32 {
    if account < FIRST + CUSTOMERS / 2 { TRADER } else { TRADER + 1 }
}

/// STP group of a customer at the beginning.
pub fn group_of(account: u32) -> u32 {
    match account - FIRST {
        0..3 => 1,
        3..5 => 2,
        _ => 0,
    }
}

impl Generator {
    /// Plans the commands that make the world.
    pub(super) fn plan_setup(&mut self) {
        for (asset, name) in [(1, "BTC"), (2, "USDT"), (3, "ETH")] {
            let name = name_field(name).expect("a good name");
            self.plan(&SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
        }
        self.symbols = symbols();
        if self.has(Feature::Close) {
            self.symbols.push(spare(self.spare));
        }
        for symbol in self.symbols.clone() {
            let status = SymbolStatus::from_code(symbol.status).expect("a good status");
            self.status.insert(symbol.symbol.0, status);
            self.plan(&symbol);
        }
        self.keys = keys();
        for key in self.keys.clone() {
            self.plan(&key);
        }
        for account in FIRST..FIRST + CUSTOMERS {
            self.plan(&SetAccount { account: AccountId(account), group: group_of(account), ..SetAccount::new(0) });
            self.suspended.insert(account, false);
            for asset in 1..=ASSETS {
                // A few customers have nothing, so that some orders are never covered.
                if self.random.chance(9, 10) {
                    let value = if asset == 2 { MIDDLE * 10 } else { 1_000 };
                    let amount = self.random.between(1, self.temper.wealth * value);
                    let adjustment = self.next_adjustment(account);
                    self.plan(&Deposit {
                        account: AccountId(account),
                        asset: AssetId(asset),
                        adjustment,
                        amount: Amount(amount),
                        ..Deposit::new(0)
                    });
                }
            }
        }
        if self.has(Feature::Perpetual) {
            self.plan_perpetuals();
        }
    }

    pub(super) fn plan<M: Message>(&mut self, message: &M) {
        let message = bytes(message);
        self.now += 1_000;
        self.setup.push_back(Command { time_ns: self.now, origin: Origin::INTERNAL, message });
    }

    /// The account's next adjustment number.
    pub(super) fn next_adjustment(&mut self, account: u32) -> u64 {
        let last = self.adjustments.entry(account).or_default();
        *last += 1;
        *last
    }
}

/// A symbol without peculiarities; it wants a number and a name.
fn plain() -> SetSymbol {
    SetSymbol {
        base: AssetId(1),
        quote: AssetId(2),
        fee_group: 1,
        kind: SymbolKind::Spot.code(),
        fee_model: FeeModel::Rate.code(),
        base_lot: Amount(1_000),
        quote_per_tick_lot: Amount(10),
        min_price: Price(1),
        max_price: Price(1_000),
        min_quantity: Qty(1),
        max_quantity: Qty(1_000),
        max_market_quantity: Qty(500),
        slip: Rate(3_000_000),
        taker: Rate(100_000),
        maker: Rate(80_000),
        max_open_orders: 20,
        max_trigger_orders: 5,
        stp: StpMode::CancelTaker.code(),
        status: SymbolStatus::Trading.code(),
        ..SetSymbol::new(0)
    }
}

/// A symbol that may be closed.
pub fn spare(number: u32) -> SetSymbol {
    SetSymbol {
        symbol: SymbolId(number),
        name: name_field(&format!("SPARE-{number}")).expect("short"),
        base: AssetId(3),
        stp: StpMode::None.code(),
        ..plain()
    }
}

/// Five symbols: plain; rebates and large fees; per lot; tight limits and a band; halted, with prices of its own.
fn symbols() -> Vec<SetSymbol> {
    let plain = plain();
    let mut symbols = vec![
        plain,
        SetSymbol {
            quote_per_tick_lot: Amount(1),
            base_lot: Amount(1),
            taker: Rate(33_333_333),
            maker: Rate(-12_345_679),
            stp: StpMode::Decrement.code(),
            ..plain
        },
        SetSymbol {
            base: AssetId(3),
            fee_model: FeeModel::PerLot.code(),
            taker: Rate(7),
            maker: Rate(-3),
            stp: StpMode::CancelBoth.code(),
            ..plain
        },
        SetSymbol {
            base: AssetId(3),
            quote: AssetId(1),
            min_price: Price(95),
            max_price: Price(106),
            min_quantity: Qty(2),
            max_quantity: Qty(30),
            max_market_quantity: Qty(10),
            min_notional: Amount(3_000),
            max_notional: Amount(20_000),
            band: Rate(3_000_000),
            slip: Rate(1_000_000),
            taker: Rate(-5_000),
            maker: Rate(50_001),
            max_open_orders: 3,
            stp: StpMode::CancelMaker.code(),
            ..plain
        },
        SetSymbol { status: SymbolStatus::Halted.code(), slip: Rate(0), stp: StpMode::None.code(), ..plain },
    ];
    for (place, symbol) in symbols.iter_mut().enumerate() {
        symbol.symbol = SymbolId(place as u32 + 1);
        symbol.name = name_field(&format!("SPOT-{}", place + 1)).expect("short");
    }
    symbols
}

/// Two traders, treasurer, admin, a reader, a revoked trader, and an admin and a treasurer of few accounts.
fn keys() -> Vec<SetKey> {
    let last = FIRST + CUSTOMERS - 1;
    let half = FIRST + CUSTOMERS / 2;
    let key = |key, role: Role, first_account, last_account, revoked| SetKey {
        key: KeyId(key),
        role: role.code(),
        revoked,
        first_account: AccountId(first_account),
        last_account: AccountId(last_account),
        public_key: [key as u8; 32],
        ..SetKey::new(0)
    };
    vec![
        key(1, Role::Trade, FIRST, half - 1, 0),
        key(2, Role::Trade, half, last, 0),
        key(3, Role::Funds, 0, u32::MAX, 0),
        key(4, Role::Admin, 0, u32::MAX, 0),
        key(5, Role::ReadOnly, 0, u32::MAX, 0),
        key(6, Role::Trade, 0, u32::MAX, 1),
        key(7, Role::Admin, FIRST, FIRST + 1, 0),
    ]
}
