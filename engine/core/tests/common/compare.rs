//! A random stream on the engine and on the naive oracle, event for event.

use super::Venue;
use ringbook_core::Engine;
use ringbook_event::Event;
use ringbook_oracle::generate::Generator;
use ringbook_oracle::{Oracle, text};
use ringbook_wire::message::Genesis;

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
