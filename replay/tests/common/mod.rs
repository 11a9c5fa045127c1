//! A data folder with a journal that the real engine has written, from random commands.

#![allow(dead_code, reason = "each test program uses its part")]

use ringbook_core::{Engine, Pending, RULES_VERSION};
use ringbook_event::{Event, Origin, events};
use ringbook_journal::{
    Appender, Background, FrameKind, FrameMeta, Journal, NoStreams, Opened, Options, RealStorage, Watermarks,
};
use ringbook_oracle::generate::{Feature, Generator};
use ringbook_oracle::scenario;
use ringbook_replay::{Folder, History};
use ringbook_wire::message::{
    Amend, CancelAll, Continue, Deposit, Genesis, Message, NewOrder, SetAccount, SetAsset, name_field,
};
use ringbook_wire::{AccountId, Amount, AssetId, ClientOrderId, Price, Sequence, Side, StpMode, TimestampNs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use zerocopy::IntoBytes;

/// Smallest bound of events that the rules allow: long commands become CONTINUEs.
pub const TIGHT: u32 = 4_096;
pub const WIDE: u32 = 65_536;

pub struct World {
    pub data: TempDir,
    pub tails: TempDir,
}

impl World {
    pub fn new() -> Self {
        let tails = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { data: tempfile::tempdir().unwrap(), tails }
    }

    pub fn folder(&self) -> Folder {
        Folder::new(self.data.path(), self.tails.path())
    }

    pub fn journal_dir(&self) -> std::path::PathBuf {
        self.data.path().join("journal")
    }

    pub fn snapshots(&self) -> &Path {
        self.data.path()
    }

    pub fn open(&self) -> Opened {
        let options = Options {
            tail_dir: self.tails.path().to_path_buf(),
            segment_bytes: 512 << 10,
            max_frame_bytes: WIDE + 4_096,
            binary_version: "test 1".to_owned(),
            ..Options::small()
        };
        Journal::open(&self.journal_dir(), RealStorage::new(), options).unwrap()
    }

    /// A journal of genesis and `commands` random commands, closed again.
    pub fn with_commands(seed: u64, event_bytes: u32, commands: usize) -> Self {
        let world = Self::new();
        let mut writer = Writer::new(&world, seed, event_bytes);
        writer.run(commands);
        writer.close();
        world
    }
}

/// The exchange in small: generator, engine, journal.
pub struct Writer {
    pub engine: Engine,
    pub history: History,
    pub watermarks: Watermarks,
    generator: Generator,
    appender: Appender,
    background: Background,
    genesis: Option<Genesis>,
    /// One bit of every frame's events from this sequence on is wrong, as if the engine had been another one.
    pub wrong_from: u64,
}

/// Spot alone, and spot with perpetuals, by turns.
pub fn mixed(seed: u64) -> Generator {
    let generator = Generator::new(seed);
    if seed.is_multiple_of(2) { generator.with(Feature::Perpetual) } else { generator }
}

impl Writer {
    pub fn new(world: &World, seed: u64, event_bytes: u32) -> Self {
        let opened = world.open();
        assert_eq!(opened.recovery.last_sequence.0, 0, "a new journal");
        let generator = mixed(seed);
        let genesis = Genesis { max_event_bytes: event_bytes, ..generator.genesis() };
        Self::over(opened, Engine::new(), generator, Some(genesis))
    }

    /// The stream trades perpetuals, too; before the first command.
    pub fn with_perpetuals(mut self) -> Self {
        self.generator = self.generator.with(Feature::Perpetual);
        self
    }

    pub fn over(opened: Opened, engine: Engine, generator: Generator, genesis: Option<Genesis>) -> Self {
        let history = History::from(&opened.journal);
        let (appender, watermarks, background) = opened.journal.start(Arc::new(NoStreams), None);
        Self { engine, history, watermarks, generator, appender, background, genesis, wrong_from: u64::MAX }
    }

    /// Orders that match in parts: a taker through many makers that rests at its end, one that an amendment makes a
    /// taker, one that meets its own account, and a mass cancel.
    pub fn sweep(&mut self) {
        let genesis = Genesis { max_event_bytes: TIGHT, ..scenario::genesis() };
        self.genesis = None;
        self.execute(1, Origin::INTERNAL, genesis.as_bytes());
        for asset in [scenario::BTC, scenario::USDT] {
            let name = name_field(&format!("A{asset}")).unwrap();
            self.all(&SetAsset { asset: AssetId(asset), scale: 8, name, ..SetAsset::new(0) });
        }
        self.all(&scenario::spot(1));
        for account in [20, 21] {
            self.all(&SetAccount { account: AccountId(account), ..SetAccount::new(0) });
            for (adjustment, asset) in [(1, scenario::BTC), (2, scenario::USDT)] {
                let (account, asset, amount) = (AccountId(account), AssetId(asset), Amount(1 << 40));
                self.all(&Deposit { account, asset, adjustment, amount, ..Deposit::new(0) });
            }
        }
        let mut id = 0;
        let mut place = |writer: &mut Self, order: NewOrder| {
            id += 1;
            let send_time = TimestampNs(1_000_000_000 + id);
            writer.all(&NewOrder { client_id: ClientOrderId([id, 0]), send_time, ..order });
            ClientOrderId([id, 0])
        };
        for round in 0..4 {
            for step in 0..60 {
                place(self, scenario::limit(20, 1, Side::Sell, 100 + step, 1));
            }
            let own = NewOrder { stp: StpMode::Decrement.code(), ..scenario::limit(20, 1, Side::Buy, 150, 70) };
            match round {
                0 => drop(place(self, scenario::limit(21, 1, Side::Buy, 149, 70))),
                1 => drop(place(self, own)),
                _ => {
                    let client_id = place(self, scenario::limit(21, 1, Side::Buy, 90, 70));
                    let price = Price(200);
                    self.all(&Amend { account: AccountId(21), client_id, price, ..Amend::new(0) });
                }
            }
            for account in [20, 21] {
                self.all(&CancelAll { account: AccountId(account), ..CancelAll::new(0) });
            }
        }
    }

    /// Executes a command of Ringbook itself with its CONTINUEs.
    fn all<M: Message>(&mut self, message: &M) {
        self.execute(2_000_000_000, Origin::INTERNAL, message.as_bytes());
        while let Some(due) = self.engine.continuation() {
            let message = Continue { of: due.of, ..Continue::new(due.request) };
            self.execute(0, due.origin, message.as_bytes());
        }
    }

    /// Executes random commands, each with its CONTINUEs; the last sequence.
    pub fn run(&mut self, commands: usize) -> u64 {
        if let Some(genesis) = self.genesis.take() {
            self.execute(1, Origin::INTERNAL, genesis.as_bytes());
        }
        for _ in 0..commands {
            let command = self.generator.next_command();
            let mut seen = self.execute(command.time_ns, command.origin, &command.message);
            while self.engine.pending() != Pending::Nothing {
                let due = self.engine.continuation().unwrap();
                let message = Continue { of: due.of, ..Continue::new(due.request) };
                seen.extend(self.execute(0, due.origin, message.as_bytes()));
            }
            self.generator.observe(&seen);
        }
        self.engine.sequence().0
    }

    /// Executes one command and appends its frame.
    pub fn execute(&mut self, clock: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        while self.appender.begin().is_err() {
            std::thread::yield_now();
        }
        let area = self.appender.begin().unwrap();
        let command_len = 16 + message.len();
        area[..16].copy_from_slice(origin.as_bytes());
        area[16..command_len].copy_from_slice(message);
        let (command, rest) = area.split_at_mut(command_len);
        let time_ns = clock.max(self.engine.time().0);
        let sequence = Sequence(self.engine.sequence().0 + 1);
        let written = self.engine.apply(sequence, TimestampNs(time_ns), command, rest).unwrap();
        let seen = events(&rest[..written]).map(Result::unwrap).collect();
        if sequence.0 >= self.wrong_from {
            rest[written - 8] ^= 1;
        }
        let meta = FrameMeta {
            time_ns,
            command_len: command_len as u16,
            rules: RULES_VERSION,
            kind: FrameKind::Command,
            payload_len: command_len + written,
        };
        assert_eq!(self.appender.finish(meta).0, sequence.0);
        seen
    }

    /// Waits until everything is committed.
    pub fn settle(&self) {
        let last = self.engine.sequence().0;
        while self.watermarks.committed().0 < last {
            self.watermarks.wait_committed_beyond(ringbook_journal::Sequence(last - 1), Duration::from_secs(10));
        }
    }

    pub fn close(self) -> Engine {
        self.background.stop();
        self.engine
    }
}
