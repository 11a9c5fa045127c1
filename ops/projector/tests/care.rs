//! Rebuild, verify, status, set-up.
mod common;

use common::{Db, assert_same, dump, expected, number, options, project, world::World};
use ringbook_projector::{
    DifferenceKind, FrameList, Options, Owner, Progress, RunError, SetupError, StateRows, open, rebuild, run, set_up,
    status, verify,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn a_rebuild_gives_the_incremental_rows(db: &Db) {
    let frames = World::frames(31, 700);
    let mut sink = db.sink();
    project(sink.as_mut(), &frames[..500], 60, &options()).unwrap();
    // Damage that a rebuild mends.
    sink.define("UPDATE balances SET available = available + 1").unwrap();
    sink.define("DELETE FROM trades").unwrap();
    for generation in [2, 3] {
        let small = ringbook_projector::Options { batch_rows_max: 300, ..options() };
        let done =
            rebuild(&mut FrameList::new(frames.clone()), sink.as_mut(), &small, None, &Progress::default()).unwrap();
        assert_eq!((done.position.sequence, done.position.generation, done.first_sequence), (700, generation, 1));
        assert_same(&dump(sink.as_mut()), &expected(&frames), "rebuilt");
        assert_eq!(
            number(sink.as_mut(), "SELECT count(*) FROM v_orders"),
            number(sink.as_mut(), "SELECT count(*) FROM orders")
        );
    }
    let found = verify(&mut FrameList::new(frames), sink.as_mut(), None, |_| None).unwrap();
    assert_eq!(found.differences, 0, "{:?}", found.first);
}
both!(a_rebuild_gives_the_incremental_rows);

/// A projector that runs while the tables are swapped goes on from the new ones.
fn a_running_projector_survives_a_rebuild(db: &Db) {
    let frames = World::frames(32, 600);
    let stop = AtomicBool::new(false);
    let progress = Progress::default();
    drop(common::fold(db.sink().as_mut()));
    // The projector is at 600; the rebuild knows 400 frames only, so the position falls back.
    std::thread::scope(|scope| {
        let (feed, frames_in) = (Arc::new(AtomicBool::new(false)), frames.clone());
        let hold = Arc::clone(&feed);
        let (stop, progress) = (&stop, &progress);
        let handle = scope.spawn(move || {
            let mut sink = db.sink();
            let mut source = Held { list: FrameList::new(frames_in), hold, until: 500, next: 1 };
            run(&mut source, sink.as_mut(), &options(), stop, progress)
        });
        assert!(progress.wait_for(500, std::time::Duration::from_secs(30)));
        let mut sink = db.sink();
        rebuild(&mut FrameList::new(frames[..400].to_vec()), sink.as_mut(), &options(), None, &Progress::default())
            .unwrap();
        feed.store(true, Relaxed);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while progress.sequence() < 600 && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        stop.store(true, Relaxed);
        let result: Result<(), RunError> = handle.join().unwrap();
        result.unwrap();
    });
    assert_same(&dump(db.sink().as_mut()), &expected(&frames), "after the swap");
}
both!(a_running_projector_survives_a_rebuild);

/// A list that stops at a frame until it is let go.
struct Held {
    list: FrameList,
    hold: Arc<AtomicBool>,
    until: u64,
    next: u64,
}

impl ringbook_projector::FrameSource for Held {
    fn term_at(&mut self, sequence: u64) -> Result<Option<u32>, ringbook_projector::SourceError> {
        self.list.term_at(sequence)
    }
    fn seek(&mut self, sequence: u64) -> Result<(), ringbook_projector::SourceError> {
        self.next = sequence;
        self.list.seek(sequence)
    }
    fn next(
        &mut self,
        wait: std::time::Duration,
    ) -> Result<Option<ringbook_projector::Frame<'_>>, ringbook_projector::SourceError> {
        if self.next > self.until && !self.hold.load(Relaxed) {
            std::thread::sleep(wait.min(std::time::Duration::from_millis(1)));
            return Ok(None);
        }
        self.next += 1;
        self.list.next(wait)
    }
}

fn verify_finds_every_kind_of_tampering(db: &Db) {
    let mut world = World::new(33, 6);
    while world.frames.len() < 600 {
        world.step();
    }
    let (frames, state) = (world.frames.clone(), world.state());
    let mut sink = db.sink();
    project(sink.as_mut(), &frames, 100, &options()).unwrap();
    let sink = sink.as_mut();
    let check = |sink: &mut dyn ringbook_projector::Sink, state: Option<StateRows>| {
        verify(&mut FrameList::new(frames.clone()), sink, None, |at| {
            assert_eq!(at, 600);
            state
        })
        .unwrap()
    };
    let clean = check(sink, Some(state.clone()));
    assert_eq!((clean.differences, clean.position.sequence), (0, 600), "{:?}", clean.first);
    assert!(clean.sums.iter().any(|s| s.name == "balances asset 2" && s.found == 0));

    use DifferenceKind::{Changed, ControlSum, Extra, Missing, State};
    let order = number(sink, "SELECT max(order_id) FROM orders WHERE executed_quantity > 0");
    let open_order = number(sink, "SELECT max(order_id) FROM orders WHERE remaining > 0");
    let rates = number(sink, "SELECT max(account * 1000 + fee_group) FROM fee_schedules WHERE active = 1");
    let rates = format!("account = {} AND fee_group = {}", rates / 1_000, rates % 1_000);
    let (is, is_not) = if state.maintenance { ("CANCEL_ONLY", "TRADING") } else { ("TRADING", "CANCEL_ONLY") };
    let failed = number(sink, "SELECT max(order_id) FROM orders WHERE code > 0");
    let cases: Vec<(String, Vec<DifferenceKind>, String)> = vec![
        ("UPDATE balances SET available = available + 1 WHERE account = 16 AND asset = 1".into(), vec![Changed, ControlSum, State], "UPDATE balances SET available = available - 1 WHERE account = 16 AND asset = 1".into()),
        (format!("UPDATE orders SET executed_quantity = executed_quantity + 1 WHERE order_id = {order}"), vec![Changed, ControlSum], format!("UPDATE orders SET executed_quantity = executed_quantity - 1 WHERE order_id = {order}")),
        (format!("UPDATE orders SET remaining = remaining + 1 WHERE order_id = {open_order}"), vec![Changed, ControlSum, State], format!("UPDATE orders SET remaining = remaining - 1 WHERE order_id = {open_order}")),
        ("UPDATE trades SET price = price + 1 WHERE trade_id = 5".into(), vec![Changed], "UPDATE trades SET price = price - 1 WHERE trade_id = 5".into()),
        ("UPDATE trades SET taker_side = 'XXX' WHERE trade_id = 6".into(), vec![Changed], "UPDATE trades SET taker_side = CASE WHEN taker_order IN (SELECT order_id FROM orders WHERE side = 'BUY') THEN 'BUY' ELSE 'SELL' END WHERE trade_id = 6".into()),
        ("INSERT INTO balances (account, asset, available, held, sequence, updated_ns) VALUES (999, 1, 5, 0, 1, 1)".into(), vec![Extra, ControlSum, State], "DELETE FROM balances WHERE account = 999".into()),
        ("UPDATE assets SET name = 'DOGE' WHERE asset = 3".into(), vec![Changed], "UPDATE assets SET name = 'ETH' WHERE asset = 3".into()),
        ("UPDATE accounts SET stp_group = 1 WHERE account = 18".into(), vec![Changed], "UPDATE accounts SET stp_group = 0 WHERE account = 18".into()),
        (format!("UPDATE fee_schedules SET taker = taker + 1 WHERE {rates}"), vec![Changed, State], format!("UPDATE fee_schedules SET taker = taker - 1 WHERE {rates}")),
        (format!("UPDATE fee_schedules SET active = 0 WHERE {rates}"), vec![Changed, ControlSum, State], format!("UPDATE fee_schedules SET active = 1 WHERE {rates}")),
        (format!("UPDATE exchange SET status = '{is_not}'"), vec![Changed, State], format!("UPDATE exchange SET status = '{is}'")),
        ("INSERT INTO busts (trade_id, day, symbol, price, quantity, buyer, seller, buy_order, sell_order, buyer_fee, seller_fee, sequence, time_ns) VALUES (999999, 20261123, 1, 1, 1, 16, 17, 1, 2, 0, 0, 1, 1)".into(), vec![Extra, ControlSum, State], "DELETE FROM busts WHERE trade_id = 999999".into()),
        (format!("UPDATE orders SET code = code + 1 WHERE order_id = {failed}"), vec![Changed], format!("UPDATE orders SET code = code - 1 WHERE order_id = {failed}")),
        ("UPDATE transfers SET reference = reference - 1 WHERE sequence = 9".into(), vec![Changed], String::new()),
        ("DELETE FROM busts WHERE trade_id = (SELECT t FROM (SELECT min(trade_id) AS t FROM busts) x)".into(), vec![Missing, ControlSum, State], String::new()),
        ("DELETE FROM exchange".into(), vec![Missing, ControlSum, State], String::new()),
        ("DELETE FROM trades WHERE trade_id = 7".into(), vec![Missing, ControlSum], String::new()),
        (format!("DELETE FROM orders WHERE order_id = {open_order}"), vec![Missing, ControlSum, State], String::new()),
        ("DELETE FROM rejections WHERE sequence = (SELECT s FROM (SELECT min(sequence) AS s FROM rejections) x)".into(), vec![Missing, ControlSum], String::new()),
    ];
    let mut mended = true;
    for (tamper, kinds, mend) in cases {
        sink.define(&tamper).unwrap();
        let found = check(sink, Some(state.clone()));
        for kind in kinds {
            assert!(found.first.iter().any(|d| d.kind == kind), "{tamper}: no {kind:?} in {:?}", found.first);
        }
        if mended {
            assert!(found.differences < 6, "{tamper}: {:?}", found.first);
        }
        if mend.is_empty() {
            mended = false;
        } else {
            sink.define(&mend).unwrap();
        }
    }
    // A state of another engine differs although the rows follow from the journal.
    let mut other = state;
    other.balances[0].2 += 1;
    other.open_orders.push((123_456, 1, 0));
    other.fees.push((18, 99, 1, 1));
    other.busted.push(123_456);
    let found = check(sink, Some(other));
    for (table, key) in [("orders", "123456"), ("fee_schedules", "18/99"), ("busts", "123456")] {
        let told = |d: &&ringbook_projector::Difference| d.kind == State && d.table == table && d.key == key;
        assert!(found.first.iter().any(|d| told(&d)), "{table}: {:?}", found.first);
    }
    assert!(found.first.iter().any(|d| d.kind == State && d.table == "balances"), "{:?}", found.first);
}
both!(verify_finds_every_kind_of_tampering);

fn foreign_and_other_tables_are_not_touched(db: &Db) {
    let mut sink = db.sink();
    assert_eq!(status(sink.as_mut()).unwrap().position, None);
    sink.define("CREATE TABLE orders (id INTEGER)").unwrap();
    let error = set_up(sink.as_mut(), &Owner::default()).unwrap_err();
    assert!(matches!(&error, SetupError::Foreign { table, .. } if table == "orders"), "{error}");
    sink.define("DROP TABLE orders").unwrap();
    let owner = Owner { shard: 3, journal: [0xAB; 16] };
    set_up(sink.as_mut(), &owner).unwrap();
    let other = Owner { shard: 4, ..owner };
    assert!(matches!(set_up(sink.as_mut(), &other).unwrap_err(), SetupError::OtherShard { found: 3, wanted: 4, .. }));
    let other = Owner { journal: [0xBB; 16], ..owner };
    let error = set_up(sink.as_mut(), &other).unwrap_err();
    assert!(matches!(error, SetupError::OtherJournal { .. }), "{error}");
    assert!(error.to_string().contains(&"ab".repeat(16)) && error.to_string().contains(&"bb".repeat(16)), "{error}");
    let refused = run(
        &mut FrameList::default(),
        sink.as_mut(),
        &Options { owner: other, ..options() },
        &AtomicBool::new(false),
        &Progress::default(),
    );
    assert!(matches!(refused, Err(RunError::Setup(SetupError::OtherJournal { .. }))), "{refused:?}");
    let shown = status(sink.as_mut()).unwrap();
    assert_eq!((shown.position.unwrap().shard, shown.dead_letters, shown.rows.len()), (3, 0, 23));
    // Idempotent, also when it was cut off before the version was written.
    sink.define("DELETE FROM schema_version").unwrap();
    sink.define("DROP VIEW v_trades").unwrap();
    set_up(sink.as_mut(), &owner).unwrap();
    assert_eq!(number(sink.as_mut(), "SELECT count(*) FROM v_trades"), 0);
    sink.define("UPDATE schema_version SET version = 99").unwrap();
    assert!(matches!(set_up(sink.as_mut(), &owner).unwrap_err(), SetupError::Newer { found: 99, .. }));
}
both!(foreign_and_other_tables_are_not_touched);

#[test]
fn verify_says_when_the_database_is_ahead_or_empty() {
    let frames = World::frames(34, 200);
    let db = Db::sqlite();
    let mut sink = db.sink();
    let check = |sink: &mut dyn ringbook_projector::Sink, n: usize| {
        verify(&mut FrameList::new(frames[..n].to_vec()), sink, None, |_| None).map_err(|e| e.to_string())
    };
    assert!(check(sink.as_mut(), 200).unwrap_err().contains("holds no projection"));
    project(sink.as_mut(), &frames, 50, &options()).unwrap();
    assert!(check(sink.as_mut(), 150).unwrap_err().contains("another journal"));
    assert_eq!(check(sink.as_mut(), 200).unwrap().differences, 0);
}

#[test]
fn the_lag_is_known_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing/read.db");
    let (stop, progress) = (AtomicBool::new(false), Progress::default());
    let quick = Options { backoff_min: std::time::Duration::from_millis(1), ..options() };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let mut sink = open(&format!("sqlite:{}", nowhere.display())).unwrap();
            run(&mut FrameList::new(World::frames(35, 50)), sink.as_mut(), &quick, &stop, &progress)
        });
        while progress.report().failures < 3 {
            std::thread::yield_now();
        }
        // Whoever asks says where the journal is; the projector cannot.
        progress.head(40);
        let report = progress.report();
        assert_eq!((report.sequence, report.lag_frames), (0, 40));
        assert!(report.lag_ns > 0 && report.retries >= 3 && report.last_error.is_some(), "{report:?}");
        std::fs::create_dir(folder.path().join("missing")).unwrap();
        assert!(progress.wait_for(50, std::time::Duration::from_secs(60)));
        let report = progress.report();
        assert_eq!((report.lag_frames, report.lag_ns, report.failures), (0, 0, 0));
        stop.store(true, Relaxed);
        run.join().unwrap().unwrap();
    });
}

#[test]
fn whoever_does_not_want_to_wait_is_told() {
    let mut sink = open("sqlite:/nowhere/at/all/read.db").unwrap();
    let once = Options { give_up_after: Some(3), backoff_min: std::time::Duration::from_millis(1), ..options() };
    let progress = Progress::default();
    let ended = run(&mut FrameList::default(), sink.as_mut(), &once, &AtomicBool::new(false), &progress);
    let error = ended.unwrap_err();
    assert!(matches!(&error, RunError::GaveUp { attempts: 3, .. }), "{error}");
    assert!(error.to_string().contains("/nowhere/at/all/read.db"), "{error}");
    assert!(progress.report().ended);
}

#[test]
fn urls_that_cannot_work_say_why() {
    for (url, wanted) in [
        ("mysql://host:1/", "names no database"),
        ("mysql://host:x/db", "not a MySQL URL"),
        ("postgres://host/db", "no such database kind"),
        ("sqlite:", "names no file"),
        ("futures=sqlite:", "names no file"),
        ("spot=a.db,futures=b.db", "two databases"),
        ("spot=a.db,spot=b.db", "each part once"),
    ] {
        let error = open(url).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(wanted), "{url}: {error}");
    }
    let mut sink = open("sqlite:/nowhere/at/all/read.db").unwrap();
    let error = sink.connect().unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all/read.db") && error.contains("folder"), "{error}");
}
