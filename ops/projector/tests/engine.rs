//! The engine's own journals: random commands, projected, then held against the state of the engine that made them.
mod common;

use common::{Db, fresh, journal::Journal, number, options, project};
use ringbook_oracle::generate::Generator;
use ringbook_projector::{FrameList, verify};

fn rows_agree_with_the_engine(db: &Db) {
    let mut seen = [0; 4];
    for seed in 1..=8 {
        let journal = Journal::random(Generator::new(seed), 2_000);
        let db = fresh(db);
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
