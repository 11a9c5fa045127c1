//! Journals with perpetuals: rows against the engine's state, against the slow way, after breaks, in two databases.
mod common;

use common::{
    Db, Dump, Faulty, assert_same, dump, expected, fresh, futures, journal::Journal, number, options, project,
};
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::generate::{Feature, Generator};
use ringbook_projector::{
    DifferenceKind, FrameList, OwnedFrame, Progress, SetupError, Sink, Writer, open, open_fold, parts, rebuild, set_up,
    verify,
};
use ringbook_wire::FundReason;
use ringbook_wire::message::{Continue, Message};
use zerocopy::IntoBytes;

fn journal(seed: u64, commands: usize) -> Journal {
    Journal::random(Generator::new(seed).with(Feature::Perpetual), commands)
}

/// What the streams of perpetuals must have shown: name, and a count that must not be 0 over all of them.
const SEEN: [(&str, &str); 16] = [
    ("positions", "SELECT count(*) FROM positions WHERE quantity <> 0"),
    ("isolated positions", "SELECT count(*) FROM positions WHERE mode = 'ISOLATED' AND margin > 0"),
    ("limits", "SELECT count(*) FROM position_limits WHERE max_position > 0"),
    ("marks", "SELECT count(*) FROM mark_prices WHERE accepted = 'CONFIRMED'"),
    ("fundings", "SELECT count(*) FROM funding_rounds WHERE asked <> rate"),
    ("payments", "SELECT count(*) FROM funding_payments WHERE payment < 0 AND funding_index > 0"),
    ("stages with a fee", "SELECT count(*) FROM liquidations WHERE fee > 0 AND order_id > 0"),
    (
        "orders of stages",
        "SELECT count(*) FROM orders o JOIN liquidations l ON l.order_id = o.order_id WHERE o.liquidation = 1 AND o.executed_quantity > 0 AND o.status = 'FILLED'",
    ),
    ("takeovers", "SELECT count(*) FROM takeovers WHERE fund_quantity > 0"),
    ("deleveragings", "SELECT count(*) FROM adl"),
    ("realised by makers", "SELECT count(*) FROM realized WHERE role = 'MAKER' AND trade_id > 0"),
    ("reduce-only orders", "SELECT count(*) FROM orders WHERE reduce_only = 1 AND executed_quantity > 0"),
    ("trims", "SELECT count(*) FROM orders WHERE reduce_only = 1 AND cut > 0"),
    ("triggers by mark", "SELECT count(*) FROM orders WHERE trigger_source = 'MARK' AND status = 'FILLED'"),
    (
        "movements",
        "SELECT count(*) FROM transfers WHERE kind = 'TO_POSITION' AND status = 'APPLIED' AND symbol > 0 AND asset > 0",
    ),
    ("the fund", "SELECT count(*) FROM insurance_fund WHERE reason = 'POSITION'"),
];

/// What must hold in every one of them: counts that are 0.
const NEVER: [(&str, &str); 8] = [
    ("lots", "SELECT count(*) FROM (SELECT symbol FROM positions GROUP BY symbol HAVING sum(quantity) <> 0) x"),
    (
        "quantities",
        "SELECT count(*) FROM orders WHERE quantity <> executed_quantity + prevented + cut + remaining + unfilled",
    ),
    (
        "liquidation orders that others sent",
        "SELECT count(*) FROM orders WHERE liquidation = 1 AND (client_id <> '0' OR time_in_force <> 'IOC' OR sent_ns <> 0)",
    ),
    (
        "stages without their order",
        "SELECT count(*) FROM liquidations l LEFT JOIN orders o ON o.order_id = l.order_id WHERE l.order_id IS NOT NULL AND (o.order_id IS NULL OR o.account <> l.account OR o.quantity <> l.quantity)",
    ),
    (
        "realised without a trade",
        "SELECT count(*) FROM realized r LEFT JOIN trades t ON t.trade_id = r.trade_id WHERE r.role <> 'SETTLEMENT' AND (t.trade_id IS NULL OR t.quantity < r.quantity OR r.account NOT IN (t.taker_account, t.maker_account))",
    ),
    (
        "payments without a round",
        "SELECT count(*) FROM funding_payments p WHERE NOT EXISTS (SELECT 1 FROM funding_rounds f WHERE f.symbol = p.symbol AND f.funding_index = p.funding_index)",
    ),
    (
        "perpetuals without the last mark",
        "SELECT count(*) FROM perpetuals p WHERE p.mark <> (SELECT m.price FROM mark_prices m WHERE m.symbol = p.symbol ORDER BY m.sequence DESC LIMIT 1)",
    ),
    (
        "totals that are not the total before and the amount",
        "SELECT count(*) FROM (SELECT amount, total, COALESCE(LAG(total) OVER (PARTITION BY asset ORDER BY sequence, item), 0) AS was FROM insurance_fund) x WHERE was + amount <> total",
    ),
];

fn perpetuals_agree_with_the_engine(db: &Db) {
    let mut seen = [0; SEEN.len()];
    for seed in 1..=10 {
        let journal = journal(seed, 2_500);
        let state = journal.state();
        let mut dumps = Vec::new();
        // Another size of batches, and a start from the rows in the middle of everything, give the same rows.
        for (batch, starts) in [(170, 1), (usize::MAX, 7)] {
            let db = fresh(db);
            let mut sink = db.sink();
            let small = ringbook_projector::Options { order_cache: 3, ..options() };
            for start in 1..=starts {
                let end = journal.frames.len() * start / starts;
                project(sink.as_mut(), &journal.frames[..end], batch, &small).unwrap();
            }
            let state = state.clone();
            let source = &mut FrameList::new(journal.frames.clone());
            let found = verify(source, sink.as_mut(), None, |_| Some(state)).unwrap();
            assert_eq!(found.differences, 0, "seed {seed}: {:?}", found.first);
            for (what, sql) in NEVER {
                assert_eq!(number(sink.as_mut(), sql), 0, "seed {seed}: {what}");
            }
            dumps.push(common::dump(sink.as_mut()));
            for (seen, (_, sql)) in seen.iter_mut().zip(SEEN) {
                *seen += number(sink.as_mut(), sql);
            }
        }
        common::assert_same(&dumps[1], &dumps[0], &format!("seed {seed}"));
    }
    for (seen, (what, _)) in seen.into_iter().zip(SEEN) {
        assert!(seen > 0, "no {what}");
    }
}
both!(perpetuals_agree_with_the_engine);

/// Every table of perpetuals, row by row, is what its description says of the events.
#[test]
fn folded_rows_are_the_naive_rows() {
    for seed in 21..=26 {
        let journal = journal(seed, 2_000);
        let found = expected(&journal.frames);
        let slow = futures::dump(&journal.frames);
        assert!(slow.values().map(Vec::len).sum::<usize>() > 200, "seed {seed}");
        assert_same(&found, &slow, &format!("seed {seed}"));
    }
}

fn tampering_is_found(db: &Db) {
    let journal = journal(3, 2_500);
    let mut sink = db.sink();
    let sink = sink.as_mut();
    project(sink, &journal.frames, 300, &options()).unwrap();
    let state = journal.state();
    let mut source = FrameList::new(journal.frames);
    use DifferenceKind::{Changed, ControlSum, Missing, State};
    for (table, set, back, kinds) in [
        ("positions", "quantity = quantity + 1", "quantity = quantity - 1", &[Changed, ControlSum, State][..]),
        ("positions", "leverage = leverage + 1", "leverage = leverage - 1", &[Changed, State]),
        ("margin_wallets", "balance = balance + 1", "balance = balance - 1", &[Changed, ControlSum, State]),
        ("position_limits", "max_position = max_position + 1", "max_position = max_position - 1", &[Changed, State]),
        ("perpetuals", "mark = mark + 1", "mark = mark - 1", &[Changed, State]),
        ("perpetuals", "reduce_only = 1 - reduce_only", "reduce_only = 1 - reduce_only", &[Changed, State]),
        ("insurance_fund", "amount = amount + 1", "amount = amount - 1", &[Changed, ControlSum]),
        ("liquidations", "fee = fee + 1", "fee = fee - 1", &[Changed, ControlSum]),
        ("funding_payments", "payment = payment + 1", "payment = payment - 1", &[Changed, ControlSum]),
        ("realized", "pnl = pnl + 1", "pnl = pnl - 1", &[Changed, ControlSum]),
        ("mark_prices", "price = price + 1", "price = price - 1", &[Changed]),
        ("takeovers", "fund_quantity = fund_quantity + 1", "fund_quantity = fund_quantity - 1", &[Changed, ControlSum]),
        ("adl", "pnl = pnl + 1", "pnl = pnl - 1", &[Changed, ControlSum]),
    ] {
        sink.define(&format!("UPDATE {table} SET {set}")).unwrap();
        let found = verify(&mut source, sink, None, |_| Some(state.clone())).unwrap();
        for kind in kinds {
            assert!(found.first.iter().any(|d| d.kind == *kind), "{table} {set}: no {kind:?} in {:?}", found.first);
        }
        sink.define(&format!("UPDATE {table} SET {back}")).unwrap();
    }
    for table in ["positions", "margin_wallets", "perpetuals", "position_limits", "realized", "funding_rounds"] {
        sink.define(&format!("DELETE FROM {table}")).unwrap();
        let found = verify(&mut source, sink, None, |_| Some(state.clone())).unwrap();
        let told = |kind| found.first.iter().any(|d| d.kind == kind && d.table == table);
        assert!(told(Missing), "{table}: {:?}", found.first);
        assert!(["realized", "funding_rounds"].contains(&table) || told(State), "{table}: {:?}", found.first);
    }
    let before = verify(&mut source, sink, None, |_| None).unwrap().differences;
    assert!(before > 100);
    rebuild(&mut source, sink, &options(), None, &Progress::default()).unwrap();
    assert_eq!(verify(&mut source, sink, None, |_| Some(state)).unwrap().differences, 0);
}
both!(tampering_is_found);

/// Long work runs in parts: a stage's fee may come in a later frame, and the projector may have started anew between them.
fn a_fee_in_a_later_frame_finds_its_stage(db: &Db) {
    let mut frames = journal(2, 2_500).frames;
    let is_fee = |e: &Event| matches!(e, Event::Fund(fund) if fund.header.a == FundReason::Fee.code());
    // The last frame that has a fee, cut before it.
    let (at, length) = (0..frames.len())
        .rev()
        .find_map(|at| {
            let all: Vec<Event> = events(&frames[at].events).map(|event| event.unwrap()).collect();
            let place = all.iter().rposition(is_fee)?;
            Some((at, all[..place].iter().map(|event| event.as_bytes().len()).sum::<usize>()))
        })
        .expect("a fee");
    frames.truncate(at + 1);
    let rest = frames[at].events.split_off(length);
    let command = [Origin::INTERNAL.as_bytes(), Continue::new(0).as_bytes()].concat();
    let (sequence, time_ns) = (at as u64 + 2, frames[at].time_ns + 1);
    frames.push(OwnedFrame { sequence, time_ns, term: 1, command, events: rest });
    let mut sink = db.sink();
    for end in [at + 1, at + 2] {
        project(sink.as_mut(), &frames[..end], 100, &options()).unwrap();
    }
    let sql = format!(
        "SELECT count(*) FROM liquidations WHERE begun_sequence = {} AND sequence = {sequence} AND fee > 0",
        at + 1
    );
    assert_eq!(number(sink.as_mut(), &sql), 1);
    assert_same(&dump(sink.as_mut()), &futures::dump(&frames), "in two frames");
}
both!(a_fee_in_a_later_frame_finds_its_stage);

/// Connections that break at any exchange with the database, with the same fold or a new process after it.
fn breaks_lose_and_double_nothing(db: &Db) {
    let frames = journal(5, 1_500).frames;
    let wanted = expected(&frames);
    let step = if matches!(db, Db::Sqlite(_)) { 7 } else { 101 };
    for (after, kill) in [(false, true), (true, false), (true, true)] {
        let mut break_at = 1;
        loop {
            let db = fresh(db);
            let mut sink = Faulty::new(db.sink(), 0, after);
            let mut fold = common::fold(&mut sink);
            (sink.calls, sink.break_at) = (0, break_at);
            let mut writer = Writer::new("", None);
            while (fold.position().sequence as usize) < frames.len() {
                let from = fold.position().sequence as usize;
                for frame in &frames[from..frames.len().min(from + 120)] {
                    fold.push(&frame.frame()).unwrap();
                }
                while writer.flush(&mut fold, &mut sink).is_err() {
                    sink.connect().unwrap();
                    if kill {
                        fold = open_fold(&mut sink, &options()).unwrap();
                        writer = Writer::new("", None);
                        break;
                    }
                }
            }
            let (calls, mut sink) = (sink.calls, sink.inner);
            sink.connect().unwrap();
            assert_same(&dump(sink.as_mut()), &wanted, &format!("break {break_at}, after {after}, kill {kill}"));
            if break_at > calls {
                break;
            }
            break_at += step;
        }
    }
}
both!(breaks_lose_and_double_nothing);

/// Two databases hold what one would, each at its own position, and each verifies by itself.
fn spot_and_futures_in_two_databases(db: &Db) {
    let journal = journal(7, 2_500);
    let whole = expected(&journal.frames);
    let state = journal.state();
    let (one, two) = (fresh(db), fresh(db));
    let value = format!("spot={},futures={}", one.url(), two.url());
    let mut both: Vec<Dump> = Vec::new();
    for (part, ends) in parts(&value).unwrap().iter().zip([[900, 2_500], [1_700, 2_500]]) {
        let mut sink = open(part).unwrap();
        let small = ringbook_projector::Options { order_cache: 3, ..options() };
        for end in ends {
            project(sink.as_mut(), &journal.frames[..end], 90, &small).unwrap();
        }
        let mut source = FrameList::new(journal.frames.clone());
        let found = verify(&mut source, sink.as_mut(), None, |_| Some(state.clone())).unwrap();
        assert_eq!(found.differences, 0, "{part}: {:?}", found.first);
        assert_eq!(number(sink.as_mut(), "SELECT count(*) FROM dead_letters"), 0, "{part}");
        both.push(dump(sink.as_mut()));
        rebuild(&mut source, sink.as_mut(), &options(), None, &Progress::default()).unwrap();
        assert_same(&dump(sink.as_mut()), &both[both.len() - 1], part);
        assert!(number(sink.as_mut(), "SELECT count(*) FROM v_orders") > 0, "{part}");
    }
    // Together they are the whole, and but for what both must know nothing is in both.
    for (table, rows) in &whole {
        let parts: Vec<&Vec<Vec<_>>> = both.iter().filter_map(|part| part.get(table)).collect();
        let mut together: Vec<_> = parts.iter().flat_map(|rows| rows.iter().cloned()).collect();
        let count = together.len();
        together.sort();
        together.dedup();
        assert_eq!(&together, rows, "{table}");
        let shared = ["exchange", "assets", "symbols", "accounts", "fee_schedules", "transfers"];
        assert!(shared.contains(table) || count == rows.len(), "{table}: rows in both");
    }
    let is_there = |at: usize, table: &str| both[at].contains_key(table);
    assert!(!is_there(0, "positions") && !is_there(1, "balances") && is_there(1, "adl"));
    // Each is refused under another name.
    for wrong in [one.url(), format!("futures={}", one.url()), format!("spot={}", two.url())] {
        let mut sink = open(&wrong).unwrap();
        let error = set_up(sink.as_mut(), &options().owner).unwrap_err();
        assert!(matches!(error, SetupError::OtherScope { .. }), "{wrong}: {error}");
    }
}
both!(spot_and_futures_in_two_databases);

/// Tables of version 1, which knew no perpetuals, become tables of today with the rows that they had.
fn older_tables_are_migrated(db: &Db) {
    let frames: Vec<OwnedFrame> = common::world::World::frames(41, 500);
    let mut sink = db.sink();
    let sink: &mut dyn Sink = sink.as_mut();
    project(sink, &frames[..300], 100, &options()).unwrap();
    for view in ringbook_projector::schema::VIEWS.iter().rev() {
        sink.define(&format!("DROP VIEW {view}")).unwrap();
    }
    for column in ["reduce_only", "close_position", "liquidation", "trigger_source"] {
        sink.define(&format!("ALTER TABLE orders DROP COLUMN {column}")).unwrap();
    }
    sink.define("ALTER TABLE transfers DROP COLUMN symbol").unwrap();
    for table in ["positions", "margin_wallets", "perpetuals", "position_limits", "liquidations", "mark_prices"] {
        sink.define(&format!("DROP TABLE {table}")).unwrap();
    }
    sink.define("UPDATE schema_version SET version = 1").unwrap();
    project(sink, &frames, 100, &options()).unwrap();
    assert_same(&dump(sink), &expected(&frames), "migrated");
    assert_eq!(number(sink, "SELECT version FROM schema_version"), 2);
    assert_eq!(number(sink, "SELECT count(*) FROM v_positions"), 0);
}
both!(older_tables_are_migrated);
