//! Random streams with perpetuals against the oracle alone: its invariants hold after every command, and the streams
//! reach the corners of the rules. `cargo test -p ringbook-oracle --test perpetual -- --nocapture` prints how often.

use ringbook_event::{Event, Origin};
use ringbook_oracle::generate::{DUE_WITH_A_COMMAND, Feature, Generator};
use ringbook_oracle::{Oracle, text};
use ringbook_wire::message::MessageType;
use ringbook_wire::{AccountId, EndReason, FundReason, MarginMode, RejectCode};
use std::collections::BTreeMap;

const SEEDS: u64 = 200;
const COMMANDS: u64 = 1_200;

/// Runs a stream and shows each command and its events.
fn run(mut generator: Generator, commands: u64, mut show: impl FnMut(&Oracle, &[u8], &[Event])) {
    let mut oracle = Oracle::new(&generator.genesis());
    for sequence in 2..2 + commands {
        let command = generator.next_command();
        let is_tick = command.message[2] == MessageType::Tick as u8;
        assert!(is_tick || oracle.due_at(command.time_ns) <= DUE_WITH_A_COMMAND, "a TICK goes first");
        let events = oracle.apply(sequence, command.time_ns, command.origin, &command.message);
        generator.observe(&events);
        show(&oracle, &command.message, &events);
    }
}

fn stream(seed: u64) -> Generator {
    Generator::new(seed).with(Feature::Perpetual)
}

/// What happened, by a name.
#[derive(Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    fn note(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Everything that one command shows.
    fn note_all(&mut self, message: &[u8], events: &[Event]) {
        let command = MessageType::from_code(message[2]).map_or("?", MessageType::name);
        let mut stages: BTreeMap<u32, u32> = BTreeMap::new();
        for event in events {
            self.note(format!("event {}", event.name()));
            match event {
                Event::Rejected(e) => {
                    let code = RejectCode::from_code(e.code).expect("a known code");
                    self.note(format!("code {} {}", e.code, code.name()));
                    self.note(format!("refused {command} {}", e.code));
                }
                Event::Expired(e) => {
                    let reason = EndReason::from_code(e.header.a).expect("a known reason");
                    self.note(format!("expired {}", reason.name()));
                    if e.code != 0 {
                        self.note(format!("failed {}", e.code));
                    }
                }
                Event::Fund(e) => {
                    let reason = FundReason::from_code(e.header.a).expect("a known reason");
                    let sign = if e.amount.0 < 0 { "-" } else { "+" };
                    self.note(format!("fund {} {sign}", reason.name()));
                    if e.header.subject == AccountId::INSURANCE.0 {
                        self.note("fund of its own");
                    }
                }
                Event::Liquidation(e) => {
                    let mode = MarginMode::from_code(e.header.a).expect("a known mode");
                    let order = if e.order.0 == 0 { "without order" } else { "with order" };
                    self.note(format!("liquidation {} {order}", mode.name()));
                    let part = if e.quantity.0 < e.position.0.abs() { "partial" } else { "whole" };
                    self.note(format!("liquidation {part} tier {}", e.header.b));
                    *stages.entry(e.header.subject).or_default() += 1;
                }
                Event::Takeover(e) => {
                    let lots = e.quantity.0.abs();
                    let how = match e.fund.0 {
                        0 => "none",
                        fund if fund == lots => "all",
                        _ => "part",
                    };
                    self.note(format!("takeover: the fund takes {how}"));
                }
                Event::Adl(e) => {
                    let of = if e.of == AccountId::INSURANCE { "the fund" } else { "a customer" };
                    self.note(format!("adl of {of}"));
                }
                Event::Realized(e) => self.note(format!("realized {}", e.header.a)),
                Event::Mark(e) => self.note(format!("mark {}", e.header.b)),
                Event::Amended(e) => self.note(format!("amended {} {}", e.header.a, e.header.b)),
                Event::Transfer(e) => self.note(format!("transfer {} {}", e.header.a, e.header.b)),
                Event::Config(e) if e.header.b == 1 => self.note("config by the engine"),
                _ => {}
            }
        }
        for stages in stages.into_values().filter(|&stages| stages > 1) {
            self.note(format!("liquidation in {} stages", stages.min(4)));
        }
    }
}

#[test]
fn invariants_hold_and_the_corners_are_reached() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        run(stream(seed), COMMANDS, |oracle, message, events| {
            assert!(!events.is_empty(), "every command yields an event");
            oracle.check();
            tally.note_all(message, events);
        });
    }
    for (name, count) in &tally.0 {
        println!("{count:8} {name}");
    }
    for (least, names) in REACHED {
        for name in *names {
            let count = tally.count(name);
            assert!(count >= *least, "{name}: {count} of {least}");
        }
    }
}

/// What must come, and how often at least.
const REACHED: &[(u64, &[&str])] = &[
    (
        100,
        &[
            "event Adl",
            "event Fund",
            "event Funded",
            "event Funding",
            "event Liquidation",
            "event Mark",
            "event Position",
            "event Realized",
            "event Settled",
            "event Takeover",
            "adl of a customer",
            "takeover: the fund takes all",
            "takeover: the fund takes none",
            "liquidation CROSS with order",
            "liquidation ISOLATED with order",
            "liquidation partial tier 2",
            "liquidation whole tier 1",
            "fund FEE +",
            "fund RESIDUAL +",
            "expired ADL",
            "expired LIQUIDATION",
            "expired REDUCE_ONLY",
            "expired STATUS",
            "amended 2 1",
            "realized 1",
            "realized 2",
            "realized 3",
            "mark 0",
            "mark 1",
            "mark 2",
            "code 212 POSITION_LIMIT",
            "code 301 INSUFFICIENT_MARGIN",
            "code 302 TIER_LEVERAGE",
            "code 303 REDUCE_ONLY",
            "code 304 REDUCE_ONLY_MODE",
            "code 305 NO_MARK",
            "code 501 AMOUNT",
            "code 503 HAS_POSITION_OR_ORDERS",
            "code 504 LEVERAGE_RANGE",
            "code 600 MARK_OLD",
            "code 601 MARK_JUMP",
            "code 602 FUNDING_TIME",
            "refused Amend 301",
            "refused Transfer 301",
            "refused AdjustMargin 301",
            "refused AdjustMargin 501",
            "transfer 3 0",
            "transfer 3 1",
            "transfer 4 0",
            "transfer 5 0",
            "transfer 6 0",
            "failed 212",
            "failed 301",
            "failed 302",
            "failed 303",
        ],
    ),
    (
        10,
        &[
            "adl of the fund",
            "config by the engine",
            "takeover: the fund takes part",
            "liquidation CROSS without order",
            "liquidation ISOLATED without order",
            "liquidation partial tier 3",
            "liquidation in 2 stages",
            "fund DEFICIT -",
            "fund UNCOVERED +",
            "fund of its own",
            "expired MARGIN",
            "realized 4",
            "failed 304",
            "refused Amend 212",
            "refused Amend 302",
            "refused AdjustMargin 305",
            "refused Transfer 305",
            "refused SetLeverage 301",
            "refused SetLeverage 302",
            "refused SettleSymbol 106",
            "refused SetPositionLimit 603",
        ],
    ),
    (1, &["fund RESIDUAL -", "liquidation in 3 stages", "refused Amend 304"]),
];

/// Commands and events of a stream have lines, and the same seed is the same stream.
#[test]
fn the_same_seed_is_the_same_stream() {
    let record = |seed| {
        let mut lines = Vec::new();
        run(stream(seed), 600, |_, message, events| {
            lines.push(text::command(0, &Origin::INTERNAL, message));
            lines.extend(events.iter().map(text::event));
        });
        lines
    };
    assert_eq!(record(5), record(5));
    assert_ne!(record(5), record(6));
}

/// BALANCE and POSITION come last, ascending, the spot wallet before the futures wallet, positions after balances.
#[test]
fn money_and_positions_come_last_in_order() {
    for seed in 300..320 {
        run(stream(seed), COMMANDS, |_, _, events| {
            let mut last = None;
            for event in events {
                let key = match event {
                    Event::Balance(e) => Some((e.header.subject, 0, e.asset.0, e.header.a)),
                    Event::Position(e) => Some((e.header.subject, 1, e.symbol.0, 0)),
                    _ => None,
                };
                assert!(key.is_some() || last.is_none(), "BALANCE and POSITION come last");
                assert!(last.is_none() || key > last, "they ascend");
                last = key;
            }
        });
    }
}
