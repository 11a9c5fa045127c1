//! A perpetual through a real server: the operator lists it, a feed marks it, customers trade, are liquidated and pay
//! funding; the process is killed, and everything is there again, to the hash.

mod common;

use common::{PATIENCE, Server};
use ringbook_client::{Client, Options, Report, order};
use ringbook_wire::{MarginMode, RejectCode, Side, TriggerDirection, Wallet};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const USDT: i64 = 100_000_000;
/// The perpetual that most tests make: tick 0.1 USDT, lot 0.001 BTC.
const NEW: &str = "perpetual 20 X-PERP --base 1 --quote 2 --base-lot 100000 --value-per-tick-lot 10000 --tier 50000USDT:0.4%:125 \
                   --tier 250000USDT:0.5%:100 --funding-interval 1ms --mark-jump 5% --mark-max-age 1h --max-price 10000000";

/// Runs `ringbook …` as the operator; standard output, standard error and exit code.
fn ringbook(server: &Server, line: &str) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringbook"))
        .args(line.split_whitespace())
        .args(["--connect", &server.order_entry, "--keys"])
        .arg(server.folder.join("keys"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
}

/// It must succeed; its JSON.
fn done(server: &Server, line: &str) -> Value {
    let (out, err, code) = ringbook(server, &format!("{line} --json"));
    assert_eq!(code, 0, "{line}: {err}{out}");
    serde_json::from_str(&out).unwrap()
}

/// It must fail with these words.
fn refused(server: &Server, line: &str, words: &[&str]) {
    let (out, err, code) = ringbook(server, line);
    assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
    for word in words {
        assert!(err.contains(word), "{line}: {word:?} is not in {err}");
    }
}

fn get(server: &Server, path: &str) -> Value {
    let mut stream = TcpStream::connect(&server.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{path}: {text}");
    serde_json::from_str(body).unwrap()
}

/// The same without what every restart changes.
fn lasting(mut answer: Value) -> Value {
    for name in ["sequence", "time"] {
        answer.as_object_mut().unwrap().remove(name);
    }
    answer
}

fn client(server: &Server, key: &str) -> Client {
    Client::connect(Options::new(&server.order_entry).session(std::process::id()), server.key(key)).unwrap()
}

/// Accounts with futures money (in USDT), ready to trade.
fn fund(server: &Server, accounts: &[(u32, i64)]) {
    let (mut admin, mut funds) = (client(server, "admin.key"), client(server, "funds.key"));
    for &(account, money) in accounts {
        admin.set_account(account, 0, false).unwrap().result().unwrap();
        funds.deposit(account, 2, money * USDT, 1, 0).unwrap().result().unwrap();
        funds.transfer(account, 2, Wallet::Futures, money * USDT, 2, 0).unwrap().result().unwrap();
    }
}

fn reports(client: &mut Client, until: impl Fn(&Report) -> bool) -> Vec<Report> {
    let (mut all, end) = (Vec::new(), Instant::now() + PATIENCE);
    while Instant::now() < end {
        if let Some(report) = client.next_report(Duration::from_millis(100)).unwrap() {
            all.push(report);
            if until(&report) {
                return all;
            }
        }
    }
    panic!("it did not come: {all:?}");
}

#[test]
fn a_perpetual_lives_through_a_kill() {
    let mut server = Server::start("perpetual", "");
    assert_eq!(done(&server, &format!("admin {NEW}"))["perpetual"]["max_leverage"], 125);
    fund(&server, &[(500, 10_000), (501, 10_000), (502, 200), (503, 10_000)]);
    let (mut trade, mut feed) = (client(&server, "trade.key"), client(&server, "feed.key"));
    let mut at = ringbook_client::order::now();
    let mut mark = |price| {
        at.0 += 1;
        feed.mark(20, price, at, false).unwrap().result()
    };
    let no_mark = trade.new_order(order::limit(500, 20, Side::Buy, 600_000, 10)).unwrap().result().unwrap_err();
    assert_eq!(no_mark.0, RejectCode::NoMark.code());
    mark(600_000).unwrap();
    assert_eq!(mark(700_000).unwrap_err().0, RejectCode::MarkJump.code());

    trade.set_leverage(502, 20, MarginMode::Isolated, 100).unwrap().result().unwrap();
    trade.set_leverage(500, 20, MarginMode::Cross, 50).unwrap().result().unwrap();
    // 500 is short of 150 lots (9,000 USDT); 501 is long of 50 of them, 502 of 100 with 1 % of its own.
    trade.new_order(order::limit(500, 20, Side::Sell, 600_000, 150)).unwrap().result().unwrap();
    trade.new_order(order::market(501, 20, Side::Buy, 50)).unwrap().result().unwrap();
    trade.new_order(order::market(502, 20, Side::Buy, 100)).unwrap().result().unwrap();
    let taken_profit = order::close_position(501, 20, Side::Sell, TriggerDirection::RisesTo, 610_000);
    trade.new_order(taken_profit).unwrap().result().unwrap();
    let waiting = get(&server, "/v1/accounts/501/orders")["orders"][0].clone();
    assert_eq!((&waiting["trigger_source"], &waiting["flags"]), (&"MARK".into(), &4.into()));
    let position = get(&server, "/v1/positions/502")["positions"][0].clone();
    assert_eq!((&position["quantity"], &position["mode"]), (&100.into(), &"ISOLATED".into()));

    // Without a bid the isolated position is taken over; the fund is empty, so the short is deleveraged.
    mark(590_000).unwrap();
    let heard = reports(&mut trade, |report| matches!(report, Report::Adl(adl) if adl.account.0 == 500));
    for expected in ["Liquidation", "Takeover", "Adl"] {
        assert!(heard.iter().any(|report| format!("{report:?}").starts_with(expected)), "{expected}: {heard:?}");
    }
    // Funding is paid by the long to the short.
    feed.funding(20, 1, 10_000).unwrap().result().unwrap();
    let paid = reports(&mut trade, |report| matches!(report, Report::Funding(funding) if funding.account.0 == 501));
    assert!(paid.iter().any(|report| matches!(report, Report::Funding(funding) if funding.payment.0 == 590_000 * 50)));

    let paths =
        ["/v1/perpetuals/X-PERP", "/v1/positions/500", "/v1/positions/501", "/v1/positions/502", "/v1/positions/2"];
    let before = paths.map(|path| lasting(get(&server, path)));
    assert_eq!((&before[0]["open_interest"], &before[0]["funding_index"]), (&50.into(), &1.into()));
    assert_eq!(before[1]["positions"][0]["quantity"], -50);
    server.kill_and_restart();
    let mut trade = client(&server, "trade.key");
    assert_eq!(paths.map(|path| lasting(get(&server, path))), before);

    // The stop waits still: it closes the position when the mark rises.
    trade.new_order(order::limit(503, 20, Side::Buy, 609_000, 50)).unwrap().result().unwrap();
    at.0 += 1;
    client(&server, "feed.key").mark(20, 611_000, at, false).unwrap().result().unwrap();
    reports(&mut trade, |report| matches!(report, Report::Done(done) if done.account.0 == 501));
    assert_eq!(get(&server, "/v1/positions/501")["positions"][0]["quantity"], 0);
    done(&server, "admin settle 20 --price 611000");
    assert_eq!(get(&server, "/v1/perpetuals/X-PERP")["open_interest"], 0);

    assert!(server.stop());
    let answer = |args: &[&str]| -> Value {
        let (text, code) = server.ringbook(args);
        assert_eq!(code, 0, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let (verified, recovered) = (answer(&["verify", "--from-genesis", "--json"]), answer(&["recover", "--json"]));
    assert_eq!((&verified["mismatches"], &verified["state_hash"]), (&0.into(), &recovered["state_hash"]));
}

#[test]
fn the_operator_hears_what_is_wrong_and_what_to_do() {
    let server = Server::start("perpetual-admin", "");
    done(&server, &format!("admin {NEW}"));
    fund(&server, &[(600, 1_000)]);
    let changed = done(&server, "admin perpetual 20 --funding-cap 1% --tier 100000USDT:1%:50");
    assert_eq!(changed["perpetual"]["tiers"][0]["cap"], 100_000 * USDT);
    assert_eq!(done(&server, "admin perpetual 20")["perpetual"]["mark_jump"], 5_000_000);
    done(&server, "admin mark 20 600000");
    assert_eq!(done(&server, "admin mark 20 700000 --force")["how"], "forced");
    assert_eq!(done(&server, "admin funding 20 0.01%")["index"], 1);
    assert_eq!(done(&server, "admin reduce-only 20 on")["reduce_only"], true);
    assert_eq!(get(&server, "/v1/perpetuals")["perpetuals"][1]["reduce_only"], true);
    done(&server, "admin reduce-only 20 off");
    done(&server, "admin leverage 600 20 25");
    done(&server, "admin leverage 600 20 30 --mode isolated");
    assert_eq!(done(&server, "admin leverage 600 20 20")["mode"], "ISOLATED");
    done(&server, "admin transfer 600 --asset 2 --to spot --amount 5 --adjustment 3");
    done(&server, "admin position-limit 600 20 --limit 7");
    assert_eq!(get(&server, "/v1/positions/600")["positions"][0]["limit"], 7);
    done(&server, "admin position-limit 600 20 --remove");
    for (line, words) in [
        ("perpetual 1 --mark-jump 3%", vec!["symbol 1 BTC-USDT is no perpetual"]),
        (
            "perpetual 21 Y-PERP --base 1 --quote 2 --base-lot 1 --value-per-tick-lot 1",
            vec!["--tier CAP:RATE:LEVERAGE"],
        ),
        ("perpetual 20 --tier 50000USDT:1%:100", vec!["tier 1", "between 1 and 99"]),
        ("perpetual 20 --max-position 99999999999999", vec!["BAD_CONFIG", "--max-position", "2^62"]),
        ("perpetual 20 --funding-cap 100%", vec!["--funding-cap", "below 100 %"]),
        ("perpetual 20 --mark-max-age 10", vec!["as in 10s or 8h"]),
        ("symbol 20 --taker 1", vec!["ringbook admin perpetual 20"]),
        ("status 20 CLOSED", vec!["ringbook admin settle 20"]),
        ("leverage 600 20 126", vec!["LEVERAGE_RANGE", "max_leverage"]),
        ("leverage 600 1 5", vec!["no perpetual 1"]),
        ("leverage 601 20 5", vec!["no account 601"]),
        ("transfer 600 --asset 2 --to bank --amount 1 --adjustment 9", vec!["SPOT, FUTURES"]),
        (
            "transfer 600 --asset 2 --to spot --amount 999999999999 --adjustment 9",
            vec!["INSUFFICIENT_MARGIN", "9 is used up"],
        ),
        ("transfer 600 --asset 2 --to futures --amount 6 --adjustment 10", vec!["has 5 units"]),
        ("transfer 600 --asset 2 --to futures --amount 6 --adjustment 3", vec!["--adjustment 11"]),
        ("margin 600 20 --add 5 --adjustment 12", vec!["no isolated position", "12 is used up"]),
        ("position-limit 601 20 --limit 5", vec!["admin account 601"]),
        ("mark 20 800000", vec!["MARK_JUMP", "--force"]),
        ("mark 20 700000 --time 5", vec!["MARK_OLD", "--time"]),
        ("mark 20 99999999", vec!["--max-price"]),
        ("mark 2 5", vec!["no perpetual 2"]),
        ("funding 20 0.01% --index 9", vec!["FUNDING_TIME", "number 2"]),
        ("funding 20 200%", vec!["below 100 %"]),
        ("funding 3 0.01%", vec!["NO_MARK", "ringbook admin mark 3"]),
        ("reduce-only 20 maybe", vec!["on or off"]),
        ("settle 20 --price 99999999", vec!["--max-price"]),
    ] {
        refused(&server, &format!("admin {line}"), &words);
    }
    done(&server, "admin settle 20 --price 600000");
    refused(&server, "admin settle 20 --price 600000", &["CLOSED already"]);
}

#[test]
fn the_insurance_fund_takes_a_position_over_and_leaves_it_by_order() {
    let server = Server::start("perpetual-fund", "");
    done(&server, &format!("admin {NEW}"));
    fund(&server, &[(700, 10_000), (701, 200), (702, 10_000)]);
    done(&server, "admin deposit 2 --asset 2 --amount 1000000000000 --adjustment 1");
    done(&server, "admin transfer 2 --asset 2 --to futures --amount 1000000000000 --adjustment 2");
    done(&server, "admin mark 20 600000");
    refused(&server, "admin reduce-fund 20", &["no position in perpetual 20", "/v1/positions/2"]);
    let mut trade = client(&server, "trade.key");
    trade.set_leverage(701, 20, MarginMode::Isolated, 100).unwrap().result().unwrap();
    trade.new_order(order::limit(700, 20, Side::Sell, 600_000, 100)).unwrap().result().unwrap();
    trade.new_order(order::market(701, 20, Side::Buy, 100)).unwrap().result().unwrap();
    done(&server, "admin mark 20 590000");
    assert_eq!(get(&server, "/v1/positions/2")["positions"][0]["quantity"], 100);
    trade.new_order(order::limit(702, 20, Side::Buy, 590_000, 60)).unwrap().result().unwrap();
    let sold = done(&server, "admin reduce-fund 20 --lots 70");
    assert_eq!((&sold["side"], &sold["filled"], &sold["held"]), (&"SELL".into(), &60.into(), &100.into()));
    let waits = done(&server, "admin reduce-fund 20 --price 591000");
    assert_eq!((&waits["filled"], &waits["lots"]), (&0.into(), &40.into()));
    trade.new_order(order::market(702, 20, Side::Buy, 40)).unwrap().result().unwrap();
    assert_eq!(get(&server, "/v1/positions/2")["positions"][0]["quantity"], 0);
    refused(&server, "admin reduce-fund 20 --price 591000", &["no position"]);
}

fn recording(server: &Server, name: &str, lines: impl Iterator<Item = String>) -> PathBuf {
    let path = server.folder.join(name);
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

#[test]
fn a_recorded_market_becomes_marks_and_funding() {
    let server = Server::start("perpetual-mark", "");
    done(&server, &format!("admin {NEW}"));
    // A hundred changes of the best prices, a trade between each; the price doubles in the middle.
    let start = 1_723_161_255_000_000_000_u64;
    let lines = (0..100_u64).flat_map(|step| {
        let (time, price) = (start + step * 10_000_000, if step < 50 { 60_000 + step } else { 120_000 + step });
        let ticker = format!(r#"{{"e":"bookTicker","s":"X","b":"{price}.20","B":"2.5","a":"{price}.40","A":"2.5"}}"#);
        let trade = r#"{"e":"trade","p":"1.2","q":"1"}"#;
        [ticker.as_str(), trade].map(|data| format!(r#"{time} {{"stream":"x","data":{data}}}"#))
    });
    let raw = recording(&server, "raw.txt", lines);
    let line = format!("mark --from {} --speed 0 --symbol-id 20", raw.display());
    let counts = done(&server, &format!("{line} --funding 0.01%"));
    // Of the run after the leap three are refused, the fourth is confirmed.
    let numbers = ["lines", "sent", "accepted", "confirmed", "first_mark", "last_mark"]
        .map(|name| counts[name].as_i64().unwrap());
    assert_eq!(numbers, [200, 100, 97, 1, 600_003, 1_200_993]);
    assert_eq!(counts["refused"], serde_json::json!({ "601": 3 }));
    assert!(counts["fundings"].as_u64().unwrap() >= 1, "{counts}");
    let perpetual = get(&server, "/v1/perpetuals/X-PERP");
    assert_eq!((&perpetual["mark"], &perpetual["mark_fresh"]), (&1_200_993.into(), &true.into()));
    assert_eq!(perpetual["funding_index"], counts["fundings"]);

    // Plain lines with rates of their own; at ten times the pace the tenth of a second takes 10 ms.
    let plain = (0..11_u64).map(|step| format!("{},120000.{step},0.0001", start / 1_000_000 + step * 10));
    let csv = recording(&server, "plain.csv", std::iter::once("time,price,rate".into()).chain(plain));
    let begin = Instant::now();
    let counts = done(&server, &format!("mark --from {} --symbol-id 20 --speed 1 --funding recorded", csv.display()));
    assert!(begin.elapsed() >= Duration::from_millis(100));
    assert_eq!((&counts["accepted"], &counts["last_mark"]), (&11.into(), &1_200_001.into()), "{counts}");
    let rates = recording(&server, "rates.csv", [format!("{},-0.0002", start / 1_000_000_000)].into_iter());
    let counts =
        done(&server, &format!("{line} --limit 20 --funding {} --price trade --tick 0.000001", rates.display()));
    assert_eq!(counts["sent"], 1, "an unchanged price is repeated after a second only: {counts}");

    for (line, words) in [
        (format!("mark --from {} --speed 0", raw.display()), vec!["several perpetuals", "--symbol-id", "20 X-PERP"]),
        (format!("{line} --price mark"), vec!["none of its 200 lines", "--price"]),
        (format!("mark --from {} --symbol-id 1", raw.display()), vec!["no perpetual 1", "20 X-PERP"]),
        (format!("mark --from {}/nowhere", server.folder.display()), vec!["nowhere", "--from"]),
        (format!("{line} --funding nowhere"), vec!["nowhere", "--funding"]),
        (format!("mark --from {} --speed -1", raw.display()), vec!["--speed -1"]),
        (format!("{line} --key {}", server.folder.join("keys/trade.key").display()), vec!["role"]),
    ] {
        refused(&server, &line, &words);
    }
}

#[test]
fn a_load_reaches_liquidations_and_its_ledger_checks() {
    let mut server = Server::start("perpetual-load", "");
    let ledger = server.folder.join("ledger").display().to_string();
    let line = format!("load --rate 200 --duration 4 --perpetual --mark-rate 100 --connections 2 --ledger {ledger}");
    let counts = done(&server, &line);
    let happened = &counts["perpetual"];
    assert_eq!((&counts["errors"], &counts["lost"]), (&0.into(), &0.into()), "{counts}");
    for name in ["marks", "fundings", "funding_payments", "liquidations"] {
        assert!(happened[name].as_u64().unwrap() > 0, "{name}: {counts}");
    }
    server.kill_and_restart();
    let (text, code) = server.ringbook(&["verify", "--from-genesis", "--ledger", &ledger, "--json"]);
    let checked: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 0, "{text}");
    for name in ["missing", "doubled", "different", "mismatches"] {
        assert_eq!(checked[name], 0, "{text}");
    }
    assert!(checked["acked"].as_u64() > counts["acked"].as_u64(), "marks are in the ledger, too: {text}");
}
