//! `ringbook journal dump` for people and for programs.

mod common;

use common::{LogonAs, Server, Wire, order};
use ringbook_wire::Side;
use ringbook_wire::report::ReportType;

#[test]
fn frames_are_told_by_name_and_field() {
    let server = Server::start("dump", "");
    let (mut trader, _) = Wire::open(&server.order_entry, &server.key("trade.key"), LogonAs::default());
    trader.send(&order(1, 100, 0xAB, Side::Buy, 5_000_000, 3));
    trader.expect(ReportType::Accepted);
    trader.send(&order(2, 101, 0xCD, Side::Sell, 5_000_000, 3));
    trader.expect(ReportType::Trade);
    let (out, code) = server.ringbook(&["journal", "dump"]);
    assert_eq!(code, 0);
    for words in [
        "GENESIS",
        "(Ringbook itself)",
        "SET_SYMBOL symbol=1 base=1 quote=2",
        "name=BTC-USDT",
        "CONFIG object=1 command=SET_SYMBOL",
        "NEW_ORDER client_id=171 account=100 symbol=1 price=5000000 quantity=3",
        "side=BUY order_type=LIMIT time_in_force=GTC",
        "TRADE symbol=1 taker_side=SELL",
        "DONE account=101 state=FILLED",
    ] {
        assert!(out.contains(words), "{words:?} is not in\n{out}");
    }
    let (out, _) = server.ringbook(&["journal", "dump", "--json"]);
    let frames: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = frames.last().unwrap();
    assert_eq!((&last["command"]["side"], &last["command"]["from"]["key"]), (&"SELL".into(), &3.into()));
    assert_eq!((&last["events"][1]["type"], &last["events"][1]["price"]), (&"TRADE".into(), &5_000_000.into()));
    assert!(frames.iter().flat_map(|frame| frame["events"].as_array().unwrap()).all(|event| event["type"].is_string()));
    // Nothing there is said, and is not success.
    let (out, code) = server.ringbook(&["journal", "dump", "--from", "99999999"]);
    assert_eq!((out.as_str(), code), ("", 2));
    let (out, code) = server.ringbook(&["journal", "dump", "--from", "0"]);
    assert_eq!((out.as_str(), code), ("", 2));
}
