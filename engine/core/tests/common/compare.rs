//! A random stream on the engine and on the naive oracle, event for event.

use super::Venue;
use ringbook_core::{Engine, MIN_EVENT_BYTES};
use ringbook_event::{Event, Replayed};
use ringbook_oracle::generate::Generator;
use ringbook_oracle::{Oracle, text};
use ringbook_wire::Sequence;
use ringbook_wire::message::{Continue, Genesis, Message};
use zerocopy::IntoBytes;

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Runs a stream on both. A difference prints the last commands as text, and the seed that repeats it.
pub fn compare(seed: u64, commands: u64, mut generator: Generator) {
    // Room for the longest cascade in one command: the oracle knows no parts.
    let genesis = Genesis { max_event_bytes: 2 << 20, ..generator.genesis() };
    let mut venue = Venue::with(&genesis);
    let mut oracle = Oracle::new(&genesis);
    let mut log = Vec::new();
    let check_every = number("RINGBOOK_CHECK_EVERY", 50);
    for step in 0..commands {
        let command = generator.next_command();
        log.push(text::command(command.time_ns, &command.origin, &command.message));
        let expected = oracle.apply(venue.engine.sequence().0 + 1, command.time_ns, command.origin, &command.message);
        let got = venue.one(command.time_ns, command.origin, &command.message);
        if got != expected {
            for line in log.iter().rev().take(number("RINGBOOK_LINES", 12) as usize).rev() {
                println!("{line}");
            }
            let print = |events: &[Event]| events.iter().map(text::event).collect::<Vec<_>>().join("\n    ");
            panic!(
                "seed {seed}, command {step}: engine and oracle differ (RINGBOOK_SEED={seed} RINGBOOK_SEEDS=1)\n  engine\n    {}\n  oracle\n    {}",
                print(&got),
                print(&expected)
            );
        }
        generator.observe(&got);
        if step % check_every == 0 || step + 1 == commands {
            venue.engine.check_invariants().unwrap_or_else(|what| panic!("seed {seed}, command {step}: {what}"));
        }
        if step % 700 == seed * 37 % 700 {
            let image = venue.engine.image();
            let restored = Engine::restore(&image).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert!(restored.image() == image, "seed {seed}, command {step}: the image of a restored engine differs");
            venue.engine = restored;
        }
    }
}

/// With a small bound of events per command long work is split into CONTINUE parts; everything but HANDLED, BALANCE and
/// POSITION is the same, and all adds up to the same state. How many parts there were.
pub fn compare_parts(seed: u64, commands: u64, mut generator: Generator) -> u64 {
    let whole_genesis = Genesis { max_event_bytes: 2 << 20, ..generator.genesis() };
    let bounded_genesis = Genesis { max_event_bytes: MIN_EVENT_BYTES, ..whole_genesis };
    let mut whole = Venue::with(&whole_genesis);
    let mut bounded = Venue::with(&bounded_genesis);
    let mut parts = 0;
    for step in 0..commands {
        let command = generator.next_command();
        let seen = whole.one(command.time_ns, command.origin, &command.message);
        let mut pieces = bounded.one(command.time_ns, command.origin, &command.message);
        while let Some(next) = bounded.engine.continuation() {
            if parts % 7 == 3 {
                // In the middle of work, too, a state goes through its image and back.
                let image = bounded.engine.image();
                let restored = Engine::restore(&image).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert!(restored.image() == image, "seed {seed}, command {step}: an image in the middle of work");
                bounded.engine = restored;
            }
            let message = Continue { of: next.of, ..Continue::new(next.request) };
            pieces.extend(bounded.one(command.time_ns, next.origin, message.as_bytes()));
            parts += 1;
        }
        let pieces = essence(&pieces);
        let expected = essence(&seen);
        assert_eq!(pieces, expected, "seed {seed}, command {step}");
        generator.observe(&seen);
    }
    bounded.engine.check_invariants().unwrap();
    for account in whole.engine.account_ids() {
        assert_eq!(whole.engine.balances(account), bounded.engine.balances(account), "seed {seed}");
        assert_eq!(whole.engine.positions(account), bounded.engine.positions(account), "seed {seed}");
        assert_eq!(whole.engine.margins(account), bounded.engine.margins(account), "seed {seed}");
        let open = |engine: &Engine| engine.open_orders(account);
        assert_eq!(open(&whole.engine), open(&bounded.engine), "seed {seed}");
    }
    parts
}

/// What does not depend on parts: everything but HANDLED, BALANCE and POSITION, and sequences.
fn essence(events: &[Event]) -> Vec<String> {
    let kept = events.iter().filter(|e| !matches!(e, Event::Handled(_) | Event::Balance(_) | Event::Position(_)));
    kept.map(|event| match event {
        Event::Replayed(e) => text::event(&Event::Replayed(Replayed { sequence: Sequence(0), ..*e })),
        other => text::event(other),
    })
    .collect()
}
