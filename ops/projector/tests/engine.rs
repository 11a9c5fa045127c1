//! The engine's own journals: random commands, projected, then held against the state of the engine that made them.
mod common;

use common::{Db, number, options, project};
use ringbook_core::Engine;
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::generate::Generator;
use ringbook_projector::{FrameList, OwnedFrame, StateRows, verify};
use ringbook_wire::{Sequence, TimestampNs};
use zerocopy::IntoBytes;

/// An engine and the frames that it made.
struct Journal {
    engine: Engine,
    frames: Vec<OwnedFrame>,
    buffer: Vec<u8>,
}

impl Journal {
    fn apply(&mut self, time_ns: u64, origin: Origin, message: &[u8]) -> Vec<Event> {
        let sequence = self.frames.len() as u64 + 1;
        let time = TimestampNs(time_ns.max(self.engine.time().0));
        let mut command = origin.as_bytes().to_vec();
        command.extend_from_slice(message);
        let length = self
            .engine
            .apply(Sequence(sequence), time, &command, &mut self.buffer)
            .unwrap_or_else(|fault| panic!("{fault}"));
        let bytes = self.buffer[..length].to_vec();
        let made = events(&bytes).map(|event| event.expect("whole records")).collect();
        self.frames.push(OwnedFrame { sequence, term: 1, time_ns: time.0, command, events: bytes });
        made
    }

    fn random(seed: u64, commands: usize) -> Self {
        let mut generator = Generator::new(seed);
        let mut journal = Self { engine: Engine::new(), frames: Vec::new(), buffer: vec![0; 1 << 20] };
        journal.apply(0, Origin::INTERNAL, generator.genesis().as_bytes());
        while journal.frames.len() < commands {
            let command = generator.next_command();
            let made = journal.apply(command.time_ns, command.origin, &command.message);
            generator.observe(&made);
        }
        journal
    }

    fn state(&self) -> StateRows {
        let engine = &self.engine;
        let busted = engine.busted().map(|trade| trade.0).collect();
        let mut rows = StateRows { maintenance: engine.in_maintenance(), busted, ..StateRows::default() };
        for account in engine.account_ids() {
            let wallets = engine.balances(account).unwrap_or_default();
            rows.balances.extend(wallets.iter().map(|b| (account.0, b.asset.0, b.available.0, b.held.0)));
            let orders = engine.open_orders(account);
            rows.open_orders.extend(orders.iter().map(|o| (o.order.0, o.remaining.0, o.filled.0)));
            let fees = engine.account_fees(account);
            rows.fees.extend(fees.iter().map(|f| (account.0, f.fee_group.into(), f.taker.0, f.maker.0)));
        }
        rows
    }
}

fn rows_agree_with_the_engine(db: &Db) {
    let mut seen = [0; 4];
    for seed in 1..=8 {
        let journal = Journal::random(seed, 2_000);
        let db = match db {
            Db::Sqlite(_) => Db::sqlite(),
            Db::MySql { .. } => Db::mysql(),
        };
        let mut sink = db.sink();
        project(sink.as_mut(), &journal.frames, 170, &options()).unwrap();
        let state = journal.state();
        let source = &mut FrameList::new(journal.frames);
        let found = verify(source, sink.as_mut(), None, |_| Some(state)).unwrap();
        assert_eq!(found.differences, 0, "seed {seed}: {:?}", found.first);
        for (seen, sql) in seen.iter_mut().zip([
            "SELECT count(*) FROM fee_schedules",
            "SELECT count(*) FROM busts b JOIN trades t ON t.trade_id = b.trade_id AND t.value = b.value",
            "SELECT count(*) FROM exchange WHERE sequence > 1",
            "SELECT count(*) FROM orders WHERE reason = 'TRIGGER_FAILED' AND code_name > ''",
        ]) {
            *seen += number(sink.as_mut(), sql);
        }
    }
    assert!(seen.iter().all(|&seen| seen > 0), "rates, busts, status, failed stops: {seen:?}");
}
both!(rows_agree_with_the_engine);
