//! The demo market that a new data folder starts with: two symbols, two traders with money. It is configuration like any
//! other, given as journaled commands.

use ringbook_wire::message::{Deposit, Message, SetAccount, SetAsset, SetSymbol, name_field};
use ringbook_wire::{
    AccountId, Amount, AssetId, FeeModel, Price, Qty, Rate, StpMode, SymbolId, SymbolKind, SymbolStatus,
};

const ASSETS: [(u32, &str, u8); 3] = [(1, "BTC", 8), (2, "USDT", 8), (3, "ETH", 8)];
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

/// The commands of the demo market.
pub fn commands() -> Vec<Vec<u8>> {
    let mut commands = Vec::new();
    for (id, name, scale) in ASSETS {
        let name = name_field(name).expect("a short name");
        commands.push(bytes(SetAsset { asset: AssetId(id), scale, name, ..SetAsset::new(0) }));
    }
    commands.push(bytes(symbol(1, "BTC-USDT", 1, 1_000, 10, 100_000_000)));
    commands.push(bytes(symbol(2, "ETH-USDT", 3, 100_000, 1_000, 10_000_000)));
    for account in ACCOUNTS {
        commands.push(bytes(SetAccount { account: AccountId(account), ..SetAccount::new(0) }));
        for (number, asset, amount) in [(1, 1, 100), (2, 2, 10_000_000), (3, 3, 1_000)] {
            commands.push(bytes(Deposit {
                account: AccountId(account),
                asset: AssetId(asset),
                adjustment: number,
                amount: Amount(amount * 100_000_000),
                ..Deposit::new(0)
            }));
        }
    }
    commands
}
