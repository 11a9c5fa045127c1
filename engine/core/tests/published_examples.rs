//! Worked examples of perpetuals that other venues have published, played on ours: liquidation and bankruptcy prices,
//! margins, funding, the order of auto-deleveraging.
//!
//! `RINGBOOK_PERP_EXAMPLES` names a folder with them: every `*.json` there has a list `examples` of objects with `id`,
//! `kind`, `inputs`, `expected` and `tolerance`. Without it only the few examples of [`OWN`] are played.
//!
//! ```text
//!  *.json ─► runs: a script by kind ─► venue: engine and oracle, equal events, invariants ─► number ─┬─ published: ran
//!                                                                                                    └─ explained: differs
//! ```
//!
//! Invariants checked:
//! 1. Every example is played; a kind, an input or an expected number that is not understood fails.
//! 2. What comes out is the published number within its tolerance, or ours, with the difference explained by a rule.
//! 3. The examples that differ are exactly those of [`differences::LISTED`].

mod common;
#[path = "published_examples/decimal.rs"]
mod decimal;
#[path = "published_examples/differences.rs"]
mod differences;
#[path = "published_examples/runs.rs"]
mod runs;
#[path = "published_examples/venue.rs"]
mod venue;

use differences::{LISTED, Why};
use ringbook_oracle::scenario::Desk;
use ringbook_oracle::scenario::perpetual::{at, cents};
use ringbook_wire::{Rate, SymbolStatus};
use runs::{Example, Played};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use venue::Venue;

/// Examples of our own (numbers of DOMAIN §7, E20, E22, E26), in the same form; the last two by rules that are not ours.
const OWN: &str = r#"{ "examples": [
    { "id": "own-long", "kind": "liquidation_price", "expected": 47690.76, "tolerance": 0.01,
      "inputs": { "side": "long", "qty": 1, "entry": 50000, "leverage": 20, "mmr": 0.004 } },
    { "id": "own-short", "kind": "liquidation_price", "expected": 52288.56, "tolerance": 0.01,
      "inputs": { "side": "short", "qty": 1, "entry": 50000, "leverage": 20, "mmr": 0.005, "cum": 50 } },
    { "id": "own-bankruptcy", "kind": "bankruptcy_price", "expected": 47500, "tolerance": 0,
      "inputs": { "side": "long", "qty": 1, "entry": 50000, "leverage": 20 } },
    { "id": "own-funding", "kind": "funding_payment", "expected": 8, "tolerance": 0,
      "inputs": { "qty": 10, "mark": 8000, "rate": 0.0001 } },
    { "id": "own-fee-in-price", "kind": "liquidation_price", "expected": 47714.72, "tolerance": 0.01,
      "inputs": { "side": "long", "qty": 1, "entry": 50000, "leverage": 20, "mmr": 0.004, "taker_fee": 0.0005 } },
    { "id": "own-margin-of-entry", "kind": "liquidation_price", "expected": 47700, "tolerance": 0.01,
      "inputs": { "side": "long", "qty": 1, "entry": 50000, "leverage": 20, "mmr": 0.004 } }
] }"#;

fn examples(origin: &str, text: &str) -> Vec<Example> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{origin}: {error}"));
    let list = value["examples"].as_array().unwrap_or_else(|| panic!("{origin}: no list of examples"));
    list.iter().map(|value| Example::read(value).unwrap_or_else(|what| panic!("{origin}: {what}"))).collect()
}

/// The JSON files of a folder, by path.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files
}

fn play(example: &Example) -> Played {
    std::panic::catch_unwind(|| example.play()).unwrap_or_else(|_| Err("failed, see above".to_owned()))
}

/// Prints an example's line and returns what is wrong with it.
fn judge(example: &Example, played: &Played) -> Option<String> {
    let listed = LISTED.iter().find(|listed| listed.0 == example.id).map(|listed| listed.1);
    let seen = match played {
        Err(what) => {
            println!("{:<24} FAILED   {what}", example.id);
            return Some(format!("{}: {what}", example.id));
        }
        Ok((line, None)) => {
            println!("{:<24} ran      {line}", example.id);
            None
        }
        Ok((line, Some(why))) => {
            println!("{:<24} differs  {line}", example.id);
            println!("{:<33} DOMAIN {}: {}", "", why.paragraph(), why.reason());
            Some(*why)
        }
    };
    let name = |why: Option<Why>| why.map_or("no difference".to_owned(), |why| format!("{why:?}"));
    (seen != listed).then(|| format!("{}: {} was seen, {} is listed", example.id, name(seen), name(listed)))
}

#[test]
fn published_examples() {
    let mut all = examples("own", OWN);
    let own = all.len();
    let folder = std::env::var_os("RINGBOOK_PERP_EXAMPLES");
    match &folder {
        None => println!("RINGBOOK_PERP_EXAMPLES is not set: the own examples alone"),
        Some(folder) => {
            let folder = Path::new(folder);
            for path in files(folder) {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                all.extend(examples(&path.display().to_string(), &text));
            }
            assert!(all.len() > own, "no examples in {}", folder.display());
        }
    }
    let played: Vec<(&Example, Played)> = all.iter().map(|example| (example, play(example))).collect();
    let mut wrong: Vec<String> = played.iter().filter_map(|(example, played)| judge(example, played)).collect();
    let ids: BTreeSet<&str> = all.iter().map(|example| example.id.as_str()).collect();
    if ids.len() < all.len() {
        wrong.push("an id occurs twice".to_owned());
    }
    let missing = LISTED.iter().filter(|listed| !ids.contains(listed.0) && folder.is_some());
    wrong.extend(missing.map(|listed| format!("{}: listed, but not in the folder", listed.0)));
    for (whose, played) in [("own", &played[..own]), ("published", &played[own..])] {
        let count = |what: fn(&Played) -> bool| played.iter().filter(|(_, played)| what(played)).count();
        println!(
            "{} {whose} examples: {} ran, {} differ by rule, {} failed",
            played.len(),
            count(|played| matches!(played, Ok((_, None)))),
            count(|played| matches!(played, Ok((_, Some(_))))),
            count(|played| played.is_err()),
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// E23: in a cross bucket each position's price counts with what the others have gained and need at their marks.
#[test]
fn prices_of_a_cross_bucket() {
    let venue = Venue::new();
    let mut handle = venue.clone();
    let mut desk = Desk::new(&mut handle);
    desk.traders(&[100], "5000");
    desk.traders(&[199], "1000000");
    let (btc, eth) = (desk.perpetual(|p| p.taker = Rate(0)), desk.ether());
    desk.mark(btc, at("50000"));
    desk.mark(eth, cents("3000"));
    desk.cross(100, btc, 50);
    desk.cross(100, eth, 50);
    desk.long(100, 199, btc, at("50000"), 1_000);
    desk.long(100, 199, eth, cents("3000"), 20_000);
    desk.status(btc, SymbolStatus::Halted);
    desk.status(eth, SymbolStatus::Halted);
    desk.mark(btc, at("47500"));
    desk.mark(eth, cents("2900"));
    assert_eq!(venue.position(100, btc).liquidation.0, at("47552.2"));
    // (60,000 − (5,000 − 2,500 − 190) − 15) / (20 · 0.9935): 57,675 / 19.87.
    assert_eq!(venue.position(100, eth).liquidation.0, cents("2902.61"));
    assert_eq!(desk.mark(btc, at("47552.3")).story(), ["Mark"]);
    assert_eq!(desk.status(eth, SymbolStatus::Trading).story()[..1], ["Status"]);
    assert_eq!(desk.status(btc, SymbolStatus::Trading).stages(), [], "healthy one tick above");
    let stages = desk.mark(btc, at("47552.2")).stages();
    assert_eq!(stages.first().map(|stage| stage.account), Some(100));
    let view = venue.position(100, eth);
    assert_eq!((view.quantity.0, view.liquidation.0), (0, 0), "no lots, no price");
}
