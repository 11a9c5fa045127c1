//! Scenario files of other engines, played on ours: the feature files of exchange-core, the command files of CppTrader
//! and the JSON-lines cases of tracebook with their manifest.
//!
//! `RINGBOOK_SCENARIOS` names a folder that holds them, at any depth. Without it nothing is run.
//!
//! ```text
//!  *.feature ──── gherkin ─ features ──┐                  ┌─ engine
//!  scenario-*.txt ─ commands ─┐        ├─ desk ─► venue ──┤ equal events and books, invariants
//!  manifest.json ── lines ────┴─ floor ┘                  └─ oracle
//! ```
//!
//! Invariants checked:
//! 1. Every scenario of the folder is run; every scenario that is known here is in the folder.
//! 2. Each leads to what its file expects, or, where the file expects nothing, to what was computed by hand from DOMAIN.
//! 3. The steps where another rule differs are exactly those of [`differences::LISTED`].

#[path = "scenario_files/commands.rs"]
mod commands;
#[path = "scenario_files/differences.rs"]
mod differences;
#[path = "scenario_files/features.rs"]
mod features;
#[path = "scenario_files/floor.rs"]
mod floor;
#[path = "scenario_files/gherkin.rs"]
mod gherkin;
#[path = "scenario_files/lines.rs"]
mod lines;
#[path = "scenario_files/venue.rs"]
mod venue;

use differences::{LISTED, Why};
use std::path::{Path, PathBuf};

/// What became of a scenario: the differences that it saw, or what went wrong.
struct Report {
    scenario: String,
    result: Result<Vec<(usize, Why)>, String>,
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder, by path.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn feature(name: &str, text: &str) -> Vec<Report> {
    let run = |scenario: gherkin::Scenario| Report {
        scenario: format!("exchange-core {name}: {}", scenario.name),
        result: features::run(&scenario),
    };
    gherkin::scenarios(text).into_iter().map(run).collect()
}

fn script(name: &str, text: &str) -> Report {
    let known = commands::EXPECTED.iter().find(|expected| expected.0 == name);
    let run = |(_, tape, book): &(&str, &[&str], &str)| commands::run(text, tape, book);
    Report {
        scenario: format!("cpptrader {name}"),
        result: known.map_or(Err("nothing is known of it".to_owned()), run),
    }
}

fn suite(folder: &Path, manifest: &str) -> Vec<Report> {
    let run = |case: &lines::Case| {
        let known = lines::EXPECTED.iter().find(|expected| expected.0 == case.name);
        let run = |(_, tape, books): &(&str, &[&str], &[&str])| {
            lines::run(case, &read(&folder.join(&case.file)), tape, books)
        };
        Report {
            scenario: format!("tracebook {}", case.name),
            result: known.map_or(Err("nothing is known of it".to_owned()), run),
        }
    };
    let cases = lines::cases(manifest).unwrap_or_else(|what| panic!("manifest of {}: {what}", folder.display()));
    cases.iter().map(run).collect()
}

/// Runs what a file holds, if it is of one of the three formats.
fn run(path: &Path) -> Vec<Report> {
    let stem = path.file_stem().expect("a file has a name").to_string_lossy();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("feature") => feature(&stem, &read(path)),
        Some("txt") if stem.starts_with("scenario-") => vec![script(&stem, &read(path))],
        Some("json") if stem == "manifest" => suite(path.parent().expect("a file is in a folder"), &read(path)),
        _ => Vec::new(),
    }
}

/// All scenarios that must be in the folder.
fn known() -> Vec<String> {
    let features = features::SCENARIOS.iter().map(|name| format!("exchange-core {name}"));
    let scripts = commands::EXPECTED.iter().map(|expected| format!("cpptrader {}", expected.0));
    let cases = lines::EXPECTED.iter().map(|expected| format!("tracebook {}", expected.0));
    features.chain(scripts).chain(cases).collect()
}

/// Prints a scenario's part of the table and returns what is wrong with it.
fn judge(report: &Report) -> Vec<String> {
    let listed: Vec<(usize, Why)> = LISTED.iter().filter(|l| l.0 == report.scenario).map(|l| (l.1, l.2)).collect();
    let mut wrong = Vec::new();
    match &report.result {
        Err(what) => {
            println!("{:<64} FAILED", report.scenario);
            wrong.push(what.clone());
        }
        Ok(seen) => {
            println!("{:<64} {}", report.scenario, if seen.is_empty() { "ran" } else { "differs" });
            for (line, why) in seen {
                println!("    line {line:>3}  DOMAIN {}: {}", why.paragraph(), why.reason());
            }
            let only = |these: &[(usize, Why)], those: &[(usize, Why)], what: &str| -> Vec<String> {
                let missing = these.iter().filter(|entry| !those.contains(entry));
                missing.map(|(line, why)| format!("line {line}: {why:?} {what}")).collect()
            };
            wrong.extend(only(seen, &listed, "is not listed"));
            wrong.extend(only(&listed, seen, "is listed, but no longer a difference"));
        }
    }
    wrong.iter_mut().for_each(|what| *what = format!("{}: {what}", report.scenario));
    wrong
}

#[test]
fn scenarios_of_other_engines() {
    let Some(folder) = std::env::var_os("RINGBOOK_SCENARIOS") else {
        println!("not run: RINGBOOK_SCENARIOS is not set");
        return;
    };
    let reports: Vec<Report> = files(Path::new(&folder)).iter().flat_map(|path| run(path)).collect();
    println!("differs: run to its end, but for the lines below it, where our rule is checked instead");
    let mut wrong: Vec<String> = reports.iter().flat_map(judge).collect();
    let differing = reports.iter().filter(|report| report.result.as_ref().is_ok_and(|seen| !seen.is_empty())).count();
    println!("{} scenarios, {differing} with differences, {} steps differ", reports.len(), LISTED.len());
    for name in known() {
        if !reports.iter().any(|report| report.scenario == name) {
            wrong.push(format!("{name}: not in the folder"));
        }
    }
    let strangers = LISTED.iter().filter(|listed| !known().iter().any(|name| name == listed.0));
    wrong.extend(strangers.map(|listed| format!("{}: listed, but unknown", listed.0)));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
