//! What the operator may do against a real server: own fees, maintenance, a trade taken back (docs/EVENTS.md).

mod common;

use common::{LogonAs, Server, Wire, order};
use ringbook_client::{Client, Options};
use ringbook_wire::message::{BustTrade, Cancel, Message};
use ringbook_wire::report::{Balance, Busted, Busy, Canceled, Config, Rejected, ReportType, Trade};
use ringbook_wire::{AccountId, Amount, BusyReason, ClientOrderId, RejectCode, Sequence, Side, TradeId};

fn session(session: u32) -> LogonAs {
    LogonAs { session, ..LogonAs::default() }
}

/// 101 sells what 100 buys; the trade as both sides hear it, the buyer's (taker's) first.
fn trade(trader: &mut Wire, id: u32) -> [Trade; 2] {
    trader.send(&order(id, 101, u128::from(id), Side::Sell, 3_000_000, 5));
    trader.expect(ReportType::Accepted);
    trader.send(&order(id + 1, 100, u128::from(id) + 1, Side::Buy, 3_000_000, 5));
    [(); 2].map(|()| Trade::read(&trader.expect(ReportType::Trade)).unwrap())
}

fn busy(message: &[u8]) -> Option<BusyReason> {
    Busy::read(message).and_then(|busy| BusyReason::from_code(busy.reason))
}

#[test]
fn a_trade_is_taken_back_once_and_only_as_it_was() {
    let mut server = Server::start("bust", "");
    let (mut trader, _) = Wire::open(&server.order_entry, &server.key("trade.key"), session(1));
    let (mut admin, _) = Wire::open(&server.order_entry, &server.key("admin.key"), session(1));
    let [buyer, seller] = trade(&mut trader, 1);
    let (number, sequence) = (buyer.trade, buyer.place.sequence);
    let asked = |request| BustTrade { trade: number, sequence, ..BustTrade::new(request) };

    // Not by a trader, not under another sequence or number, not with another price, party or fee.
    trader.send(&asked(50));
    assert_eq!(busy(&trader.expect(ReportType::Busy)), Some(BusyReason::NotEntitled));
    let whole = BustTrade {
        symbol: buyer.symbol,
        price: buyer.price,
        quantity: buyer.quantity,
        buyer: AccountId(100),
        seller: AccountId(101),
        buy_order: buyer.order,
        sell_order: seller.order,
        buyer_fee: buyer.fee,
        seller_fee: seller.fee,
        ..asked(60)
    };
    for wrong in [
        BustTrade { sequence: Sequence(sequence.0 - 1), ..asked(51) },
        BustTrade { sequence: Sequence(u64::MAX), ..asked(52) },
        BustTrade { sequence: Sequence(0), ..asked(53) },
        BustTrade { trade: TradeId(number.0 + 1), ..asked(54) },
        BustTrade { buyer: AccountId(101), seller: AccountId(100), ..whole },
        BustTrade { buyer_fee: Amount(buyer.fee.0 + 1), ..whole },
        BustTrade { buyer: AccountId(0), seller: AccountId(0), ..whole },
    ] {
        admin.send(&wrong);
        assert_eq!(busy(&admin.expect(ReportType::Busy)), Some(BusyReason::NoSuchTrade), "{wrong:?}");
    }

    admin.send(&asked(61));
    let config = Config::read(&admin.expect(ReportType::Config)).unwrap();
    assert_eq!((config.header.request, config.kind, config.object), (61, BustTrade::KIND, 1));
    for (account, side, traded) in [(100, Side::Buy, buyer), (101, Side::Sell, seller)] {
        let busted = Busted::read(&trader.expect(ReportType::Busted)).unwrap();
        assert_eq!((busted.account.0, busted.side, busted.order), (account, side.code(), traded.order));
        assert_eq!((busted.trade, busted.price, busted.fee), (number, traded.price, traded.fee));
    }
    // Everybody has what the demo market gave.
    for (account, asset, amount) in [(100, 1, 100), (100, 2, 10_000_000), (101, 1, 100), (101, 2, 10_000_000)] {
        let balance = Balance::read(&trader.expect(ReportType::Balance)).unwrap();
        let has = (balance.account.0, balance.asset.0, balance.available.0, balance.held.0);
        assert_eq!(has, (account, asset, amount * 100_000_000, 0));
    }
    // The whole command is taken like the short one; the trade is not taken back twice, also after a restart.
    admin.send(&whole);
    assert_eq!(Rejected::read(&admin.expect(ReportType::Rejected)).unwrap().code, RejectCode::BadTrade.code());
    server.kill_and_restart();
    let mut client = Client::connect(Options::new(&server.order_entry), server.key("admin.key")).unwrap();
    let refused = client.bust_trade(number.0, sequence.0).unwrap().result().unwrap_err();
    assert!(refused.to_string().contains("BAD_TRADE"), "{refused}");
    let unknown = client.bust_trade(number.0 + 9, sequence.0).unwrap_err();
    assert!(unknown.to_string().contains("no such trade"), "{unknown}");
    let (text, code) = server.ringbook(&["verify", "--from-genesis", "--json"]);
    assert!(code == 0 && text.contains("\"mismatches\":0"), "{text}");
}

#[test]
fn maintenance_lets_cancels_through_and_nothing_trade() {
    let server = Server::start("maintenance", "");
    let (mut trader, _) = Wire::open(&server.order_entry, &server.key("trade.key"), session(1));
    let mut admin = Client::connect(Options::new(&server.order_entry), server.key("admin.key")).unwrap();
    trader.send(&order(1, 100, 1, Side::Buy, 7, 3));
    trader.expect(ReportType::Accepted);
    admin.set_maintenance(true).unwrap().result().unwrap();
    trader.send(&order(2, 100, 2, Side::Buy, 7, 3));
    let rejected = Rejected::read(&trader.expect(ReportType::Rejected)).unwrap();
    assert_eq!(rejected.code, RejectCode::Maintenance.code());
    trader.send(&Cancel { account: AccountId(100), client_id: ClientOrderId::from(1), ..Cancel::new(3) });
    assert_eq!(Canceled::read(&trader.expect(ReportType::Canceled)).unwrap().header.request, 3);
    admin.set_maintenance(false).unwrap().result().unwrap();
    trader.send(&order(4, 100, 4, Side::Buy, 7, 3));
    trader.expect(ReportType::Accepted);
}

#[test]
fn an_account_pays_its_own_rates_until_they_are_removed() {
    let server = Server::start("own-fees", "");
    let (mut trader, _) = Wire::open(&server.order_entry, &server.key("trade.key"), session(1));
    let mut admin = Client::connect(Options::new(&server.order_entry), server.key("admin.key")).unwrap();
    // Value 3,000,000 · 5 · 10 = 150,000,000: 0.1 % and 0.08 % of it, then 0.02 % and a rebate of 0.01 %.
    let fees = |trades: [Trade; 2]| trades.map(|trade| trade.fee.0);
    assert_eq!(fees(trade(&mut trader, 1)), [150_000, 120_000]);
    admin.set_fees(100, 0, Some((20_000, 5_000))).unwrap().result().unwrap();
    admin.set_fees(101, 0, Some((90_000, -10_000))).unwrap().result().unwrap();
    assert_eq!(fees(trade(&mut trader, 11)), [30_000, -15_000]);
    admin.set_fees(100, 0, None).unwrap().result().unwrap();
    assert_eq!(fees(trade(&mut trader, 21)), [150_000, -15_000]);
    let refused = admin.set_fees(4_000, 0, None).unwrap().result().unwrap_err();
    assert!(refused.to_string().contains("BAD_CONFIG"), "{refused}");
}
