//! Random streams with perpetuals against the oracle alone: its invariants hold after every command, and the streams
//! reach the corners of the rules. `cargo test -p ringbook-oracle --test perpetual -- --nocapture` prints how often.

use ringbook_event::Event;
use ringbook_oracle::Oracle;
use ringbook_oracle::generate::{DUE_WITH_A_COMMAND, Feature, Generator};
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
}
