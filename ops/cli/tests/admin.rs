//! `ringbook admin` against a real server: what is not named stays, and refusals say what to do.

mod common;

use common::Server;
use std::process::Command;

/// Runs `ringbook admin …`; standard output, standard error and exit code.
fn admin(server: &Server, line: &str) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringbook"))
        .arg("admin")
        .args(line.split_whitespace())
        .args(["--connect", &server.order_entry, "--keys"])
        .arg(server.folder.join("keys"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
}

/// It must succeed; what it prints.
fn done(server: &Server, line: &str) -> String {
    let (out, err, code) = admin(server, line);
    assert_eq!(code, 0, "{line}: {err}");
    out
}

/// It must fail with these words.
fn refused(server: &Server, line: &str, words: &[&str]) {
    let (out, err, code) = admin(server, line);
    assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
    for word in words {
        assert!(err.contains(word), "{line}: {word:?} is not in {err}");
    }
}

fn json(server: &Server, line: &str) -> serde_json::Value {
    serde_json::from_str(&done(server, &format!("{line} --json"))).unwrap()
}

#[test]
fn a_change_of_a_symbol_changes_what_is_named() {
    let server = Server::start("admin-symbol", "");
    let before = json(&server, "symbol 1")["symbol"].clone();
    assert_eq!(before["max_open_orders"], 10_000);
    assert!(done(&server, "symbol 1 --max-market-quantity 777").contains("max_market_quantity 10000000 -> 777"));
    assert!(done(&server, "symbol 1 --maker -5 --fee-group 3 --json").contains("fee_group 0 -> 3"));
    let mut expected = before;
    for (name, value) in [("max_market_quantity", 777), ("maker", -5), ("fee_group", 3)] {
        expected[name] = value.into();
    }
    assert_eq!(json(&server, "symbol 1")["symbol"], expected);
    // A new one, with fees for each lot; a suspended trading day stays as it is when terms change.
    let new = "symbol 9 BTC-EUR --base 1 --quote 3 --base-lot 1000 --value-per-tick-lot 10 --min-price 100";
    assert!(done(&server, &format!("{new} --fee-model per_lot --taker 5 --maker -2")).contains("created"));
    done(&server, "status 9 HALTED");
    done(&server, "symbol 9 --taker 6");
    let symbol = json(&server, "symbol 9")["symbol"].clone();
    assert_eq!((&symbol["status"], &symbol["fee_model"]), (&"HALTED".into(), &"PER_LOT".into()));
    for (line, words) in [
        ("symbol 9 OTHER", vec!["the name BTC-EUR", "never changes"]),
        ("symbol 10 X", vec!["no symbol 10 yet", "--base"]),
        ("symbol 10 BTC-EUR --base 1 --quote 3 --base-lot 1 --value-per-tick-lot 1", vec!["BAD_CONFIG", "symbol 9"]),
        ("symbol 10 X --base 1 --quote 77 --base-lot 1 --value-per-tick-lot 1", vec!["no asset 77"]),
        ("symbol 1 --max-price 99999999999999999", vec!["above 2^62"]),
        ("symbol 1 --slip -1", vec!["--slip -1"]),
        ("status 77 HALTED", vec!["UNKNOWN_SYMBOL", "no symbol 77"]),
        ("status 0 HALTED", vec!["admin maintenance"]),
        ("status 1 CLOSING", vec!["CANCEL_ONLY"]),
        ("asset 1 BTC --scale 3", vec!["scale 8", "never changes"]),
        ("asset 99 BTC --scale 3", vec!["belongs to asset 1"]),
    ] {
        refused(&server, line, &words);
    }
    done(&server, "status 9 CLOSED");
    refused(&server, "status 9 TRADING", &["symbol 9 is CLOSED"]);
    done(&server, "maintenance on");
    refused(&server, "status 1 TRADING", &["maintenance off"]);
}

#[test]
fn an_account_keeps_its_group_and_its_suspension() {
    let server = Server::start("admin-account", "");
    for (line, expected) in [
        ("account 501", "account 501: no group, active"),
        ("account 501 --group 7", "account 501: group 7, active"),
        ("account 501 --suspended", "account 501: group 7, suspended"),
        ("account 501", "account 501: group 7, suspended"),
        ("account 501 --group 0", "account 501: no group, suspended"),
        ("account 501 --active", "account 501: no group, active"),
    ] {
        assert_eq!(done(&server, line).trim(), expected, "{line}");
    }
    refused(&server, "account 3", &["begin with 16"]);
    refused(&server, "account 501 --group -1", &["--group"]);
    refused(&server, "fees 777 --taker 1 --maker -1", &["no account 777"]);
    refused(&server, "fees 501 --taker 100000000 --maker -1", &["between -49999999"]);
    // Where nothing tells the present terms, nothing is guessed; what is named in full needs nobody.
    std::fs::remove_file(server.folder.join("ready")).unwrap();
    refused(&server, "account 501 --group 9", &["--http", "--active"]);
    done(&server, "account 501 --group 9 --suspended");
    let http = server.http.clone();
    assert!(done(&server, &format!("account 501 --active --http {http}")).contains("group 9, active"));
    let other = Server::start("admin-other", "");
    refused(&server, &format!("symbol 1 --band 5 --http {}", other.http), &["another exchange"]);
}

#[test]
fn keys_are_rotated_and_revoked_by_number() {
    let server = Server::start("admin-key", "");
    let file = |name: &str| server.folder.join(name).display().to_string();
    let made = "key 10 --role readonly --first-account 500 --last-account 510 --out";
    assert!(done(&server, &format!("{made} {}", file("a.key"))).contains("role readonly, accounts 500 to 510"));
    // Another pair under the same number has the same reach.
    let rotated = done(&server, &format!("key 10 --out {}", file("b.key")));
    assert!(rotated.contains("has a new pair: role readonly, accounts 500 to 510"), "{rotated}");
    refused(&server, &format!("key 10 --out {}", file("b.key")), &["does not exist yet"]);
    refused(&server, &format!("key 11 --out {}", file("nowhere/x.key")), &["make its folder first"]);
    refused(&server, "key 99 --revoke", &["no key 99", "nothing was changed"]);
    assert!(done(&server, "key 10 --revoke").contains("key 10 revoked"));
    assert!(done(&server, "key 10 --revoke").contains("revoked before"));
    refused(&server, &format!("key 12 --first-account 9 --last-account 8 --out {}", file("c.key")), &["9", "8"]);
    assert!(!server.folder.join("c.key").exists(), "a refused key leaves no file");
}

#[test]
fn refused_money_says_whether_the_number_is_used_up() {
    let server = Server::start("admin-money", "");
    done(&server, "account 700");
    done(&server, "deposit 700 --asset 2 --amount 500 --adjustment 10");
    for (line, words) in [
        (
            "withdraw 700 --asset 2 --amount 900 --adjustment 11",
            vec!["INSUFFICIENT_BALANCE", "has 500", "11 is used up"],
        ),
        (
            "withdraw 700 --asset 2 --amount 1 --adjustment 5",
            vec!["ADJUSTMENT_OLD", "last number is 11", "--adjustment 12"],
        ),
        ("withdraw 700 --asset 99 --amount 1 --adjustment 12", vec!["UNKNOWN_ASSET", "no asset 99", "12 is used up"]),
        ("deposit 999 --asset 2 --amount 1 --adjustment 1", vec!["no account 999"]),
        ("deposit 700 --asset 2 --amount -1 --adjustment 20", vec!["'-1'", "--amount"]),
        ("deposit 700 --asset 2 --amount 9223372036854775807 --adjustment 13", vec!["2^62", "13 is used up"]),
    ] {
        refused(&server, line, &words);
    }
    done(&server, "account 700 --suspended");
    refused(&server, "withdraw 700 --asset 2 --amount 1 --adjustment 14", &["suspended", "--active"]);
    let again = "deposit 700 --asset 2 --amount 1 --adjustment 15";
    done(&server, again);
    assert!(done(&server, again).contains("used before"));
}
