//! The demo market that a new data folder starts with: two symbols, a perpetual, two traders with money. It is configuration like any
//! other, given as journaled commands.

use ringbook_client::{Tier, set_tiers};
use ringbook_wire::message::{Deposit, Message, SetAccount, SetAsset, SetPerpetual, SetSymbol, Transfer, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, FeeModel, Price, Qty, RATE_ONE, Rate, StpMode, SymbolId, SymbolKind, SymbolStatus,
};

const ASSETS: [(u32, &str, u8); 3] = [(1, "BTC", 8), (2, "USDT", 8), (3, "ETH", 8)];
const USDT: i64 = 100_000_000;
/// Number of the perpetual.
pub const PERPETUAL: u32 = 3;
/// Its tiers: cap in USDT, maintenance rate, leverage (docs/DOMAIN.md §2).
const TIERS: [(i64, i64, u32); 5] = [
    (50_000, 400_000, 125),
    (250_000, 500_000, 100),
    (1_000_000, 1_000_000, 50),
    (10_000_000, 2_500_000, 20),
    (20_000_000, 5_000_000, 10),
];
/// USDT in the futures wallets at the start.
const FUTURES: i64 = 1_000_000;
/// Accounts that start with money.
pub const ACCOUNTS: [u32; 2] = [100, 101];

fn bytes<M: Message>(message: M) -> Vec<u8> {
    message.as_bytes().to_vec()
}

/// BTC-USDT: tick 0.01 USDT, lot 0.00001 BTC; ETH-USDT: tick 0.01 USDT, lot 0.001 ETH (docs/DOMAIN.md §7).
fn symbol(id: u32, name: &str, base: u32, base_lot: i64, k: i64, max_price: i64) -> SetSymbol {
    SetSymbol {
        symbol: SymbolId(id),
        base: AssetId(base),
        quote: AssetId(2),
        kind: SymbolKind::Spot.code(),
        fee_model: FeeModel::Rate.code(),
        name: name_field(name).expect("a short name"),
        base_lot: Amount(base_lot),
        quote_per_tick_lot: Amount(k),
        min_price: Price(1),
        max_price: Price(max_price),
        min_quantity: Qty(1),
        max_quantity: Qty(100_000_000),
        max_market_quantity: Qty(10_000_000),
        slip: Rate(1_000_000),
        taker: Rate(100_000),
        maker: Rate(80_000),
        max_open_orders: 10_000,
        max_trigger_orders: 10,
        stp: StpMode::CancelTaker.code(),
        status: SymbolStatus::Trading.code(),
        ..SetSymbol::new(0)
    }
}

/// A perpetual on BTC that is settled in USDT: tick 0.1 USDT, lot 0.001 BTC (docs/DOMAIN.md §7), funding each 8 h.
pub fn perpetual(id: u32, name: &str) -> SetPerpetual {
    let mut perpetual = SetPerpetual {
        symbol: SymbolId(id),
        base: AssetId(1),
        quote: AssetId(2),
        kind: SymbolKind::Perpetual.code(),
        fee_model: FeeModel::Rate.code(),
        name: name_field(name).expect("a short name"),
        base_lot: Amount(100_000),
        quote_per_tick_lot: Amount(10_000),
        min_price: Price(1),
        max_price: Price(10_000_000),
        min_quantity: Qty(1),
        max_quantity: Qty(1_000_000),
        max_market_quantity: Qty(100_000),
        band: Rate(5_000_000),
        slip: Rate(1_000_000),
        taker: Rate(50_000),
        maker: Rate(20_000),
        max_open_orders: 10_000,
        max_trigger_orders: 100,
        stp: StpMode::CancelTaker.code(),
        status: SymbolStatus::Trading.code(),
        max_position: Qty(10_000_000),
        mark_max_age: 10_000_000_000,
        mark_jump: Rate(2_000_000),
        funding_interval: 8 * 3_600_000_000_000,
        funding_cap: Rate(750_000),
        liquidation_fee: Rate(100_000),
        fund_multiple: Rate(RATE_ONE),
        max_leverage: 125,
        mark_confirmations: 3,
        ..SetPerpetual::new(0)
    };
    let tiers = TIERS.map(|(cap, rate, leverage)| Tier { cap: cap * USDT, rate, leverage });
    set_tiers(&mut perpetual, &tiers).expect("the tiers of DOMAIN §2");
    perpetual
}

/// The commands of the demo market.
pub fn commands() -> Vec<Vec<u8>> {
    let mut commands = Vec::new();
    for (id, name, scale) in ASSETS {
        let name = name_field(name).expect("a short name");
        commands.push(bytes(SetAsset { asset: AssetId(id), scale, name, ..SetAsset::new(0) }));
    }
    commands.push(bytes(symbol(1, "BTC-USDT", 1, 1_000, 10, 100_000_000)));
    commands.push(bytes(symbol(2, "ETH-USDT", 3, 100_000, 1_000, 10_000_000)));
    commands.push(bytes(perpetual(PERPETUAL, "BTC-PERP")));
    for account in ACCOUNTS {
        commands.push(bytes(SetAccount { account: AccountId(account), ..SetAccount::new(0) }));
        for (number, asset, amount) in [(1, 1, 100), (2, 2, 10_000_000 + FUTURES), (3, 3, 1_000)] {
            commands.push(bytes(Deposit {
                account: AccountId(account),
                asset: AssetId(asset),
                adjustment: number,
                amount: Amount(amount * 100_000_000),
                ..Deposit::new(0)
            }));
        }
        commands.push(bytes(Transfer {
            account: AccountId(account),
            asset: AssetId(2),
            adjustment: 4,
            amount: Amount(FUTURES * USDT),
            direction: 1,
            ..Transfer::new(0)
        }));
    }
    commands
}
