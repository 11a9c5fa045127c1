//! A row that the database refuses for good is set aside, alone, and comes back when it is taken.
mod common;

use common::{Db, assert_same, dump, expected, number, options, project, rows, text, world::World};
use ringbook_projector::schema::DEAD_LETTERS;
use ringbook_projector::{Owner, Sink, Value, requeue, verify};

/// Makes the database refuse some rows, by means of its own.
fn poison(sink: &mut dyn Sink, table: &str, condition: &str) {
    for (name, event) in [("poison_i", "INSERT"), ("poison_u", "UPDATE")] {
        let sql = match sink.dialect() {
            ringbook_projector::schema::Dialect::Sqlite => format!(
                "CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
            ),
            ringbook_projector::schema::Dialect::MySql => format!(
                "CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW BEGIN IF {condition} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'poisoned'; END IF; END"
            ),
        };
        sink.define(&sql).unwrap();
    }
}

fn heal(sink: &mut dyn Sink) {
    sink.define("DROP TRIGGER poison_i").unwrap();
    sink.define("DROP TRIGGER poison_u").unwrap();
}

fn poisoned_rows_are_isolated_and_requeued(db: &Db) {
    let frames = World::frames(21, 900);
    let mut sink = db.sink();
    drop(common::fold(sink.as_mut()));
    poison(sink.as_mut(), "trades", "NEW.trade_id IN (3, 77, 78)");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dead-letters.jsonl");
    let options = ringbook_projector::Options { dead_letter_file: Some(file.clone()), ..options() };
    project(sink.as_mut(), &frames, 400, &options).unwrap();

    let mut wanted = expected(&frames);
    let dead: Vec<_> = wanted["trades"].iter().filter(|r| matches!(r[0], Value::Int(3 | 77 | 78))).cloned().collect();
    wanted.get_mut("trades").unwrap().retain(|r| !dead.contains(r));
    wanted.remove("dead_letters");
    assert_same(&dump(sink.as_mut()), &wanted, "everything but the poisoned rows is there");
    let letters = rows(sink.as_mut(), "dead_letters", DEAD_LETTERS.columns);
    assert_eq!(letters.len(), 3);
    for (letter, row) in letters.iter().zip(&dead) {
        assert_eq!(letter[0], Value::name("trades"));
        assert_eq!(letter[2], row[14], "the letter carries the sequence");
        assert!(letter[3].as_str().unwrap().contains("poisoned"), "{letter:?}");
    }
    let lines: Vec<serde_json::Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["row"]["trade_id"], 3);
    assert_eq!(lines[0]["sequence"], dead[0][14].json());

    let found = verify(&mut ringbook_projector::FrameList::new(frames.clone()), sink.as_mut(), None, |_| None).unwrap();
    assert!(found.first.iter().any(|d| d.kind == ringbook_projector::DifferenceKind::DeadLetter), "{:?}", found.first);

    assert_eq!(requeue(sink.as_mut(), &Owner::default()).unwrap().refused, 3);
    assert_eq!(number(sink.as_mut(), "SELECT min(attempts) FROM dead_letters"), 2);
    heal(sink.as_mut());
    assert_eq!(requeue(sink.as_mut(), &Owner::default()).unwrap().written, 3);
    assert_same(&dump(sink.as_mut()), &expected(&frames), "all are back");
}
both!(poisoned_rows_are_isolated_and_requeued);

/// An order whose row is refused: later changes know its state all the same, and an old letter never overwrites it.
fn refused_orders_keep_their_state(db: &Db) {
    let frames = World::frames(22, 700);
    let mut sink = db.sink();
    drop(common::fold(sink.as_mut()));
    poison(sink.as_mut(), "orders", "NEW.order_id % 5 = 0 OR NEW.account = 17");
    project(sink.as_mut(), &frames[..400], 30, &options()).unwrap();
    let refused = number(sink.as_mut(), "SELECT count(*) FROM dead_letters");
    assert!(refused > 20, "{refused}");
    // A restart in between: the states of refused orders are read from their letters.
    project(sink.as_mut(), &frames[..500], 30, &options()).unwrap();
    heal(sink.as_mut());
    project(sink.as_mut(), &frames, 30, &options()).unwrap();
    let done = requeue(sink.as_mut(), &Owner::default()).unwrap();
    assert!(done.written > 0 && done.superseded > 0 && done.refused == 0, "{done:?}");
    assert_same(&dump(sink.as_mut()), &expected(&frames), "healed");
}
both!(refused_orders_keep_their_state);

/// Rates whose row is refused: a restart knows them by their letter, so that a removal finds what it removes.
fn refused_rates_keep_their_state(db: &Db) {
    let frames = World::frames(24, 900);
    let mut sink = db.sink();
    drop(common::fold(sink.as_mut()));
    poison(sink.as_mut(), "fee_schedules", "NEW.account <> 18");
    for end in [200, 350, 500, 650] {
        project(sink.as_mut(), &frames[..end], 30, &options()).unwrap();
    }
    assert!(number(sink.as_mut(), "SELECT count(*) FROM dead_letters WHERE table_name = 'fee_schedules'") > 3);
    heal(sink.as_mut());
    project(sink.as_mut(), &frames, 30, &options()).unwrap();
    let done = requeue(sink.as_mut(), &Owner::default()).unwrap();
    assert!(done.written > 0 && done.refused == 0, "{done:?}");
    assert_same(&dump(sink.as_mut()), &expected(&frames), "healed");
}
both!(refused_rates_keep_their_state);

/// A row that somebody removed is told, not made up.
fn a_removed_order_is_a_dead_letter(db: &Db) {
    let frames = World::frames(23, 500);
    let mut sink = db.sink();
    project(sink.as_mut(), &frames[..300], 100, &options()).unwrap();
    sink.define("DELETE FROM orders WHERE remaining > 0").unwrap();
    project(sink.as_mut(), &frames, 100, &options()).unwrap();
    assert!(number(sink.as_mut(), "SELECT count(*) FROM dead_letters") > 0);
    let reason = text(sink.as_mut(), "SELECT reason FROM dead_letters LIMIT 1");
    assert!(reason.contains("rebuild"), "{reason}");
    assert_eq!(requeue(sink.as_mut(), &Owner::default()).unwrap().written, 0);
}
both!(a_removed_order_is_a_dead_letter);
