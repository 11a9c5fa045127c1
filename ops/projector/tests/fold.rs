//! The fold gives the rows that the slow way gives, whatever the batches; views and readable times are right.
mod common;

use common::{Db, assert_same, dump, naive, number, options, project, text, world::World};
use ringbook_projector::{FoldError, OwnedFrame, Owner, Position, Projector, set_up};

fn folded_rows_are_the_naive_rows(db: &Db) {
    for (seed, frames, batches) in [(1, 400, &[1, 7, 100, usize::MAX][..]), (2, 700, &[13, 250]), (3, 300, &[50])] {
        let frames = World::frames(seed, frames);
        let slow = Db::sqlite();
        let mut sink = slow.sink();
        set_up(sink.as_mut(), &Owner::default()).unwrap();
        for frame in &frames {
            naive::apply(sink.as_mut(), frame).unwrap();
        }
        let expected = dump(sink.as_mut());
        for &batch in batches {
            let fresh = match db {
                Db::Sqlite(_) => Db::sqlite(),
                Db::MySql { .. } => Db::mysql(),
            };
            let mut sink = fresh.sink();
            project(sink.as_mut(), &frames, batch, &options()).unwrap();
            assert_same(&dump(sink.as_mut()), &expected, &format!("seed {seed} batch {batch}"));
        }
    }
}
both!(folded_rows_are_the_naive_rows);

/// The journals of these tests have what the tables are for.
fn rows_of_every_kind_are_there(db: &Db) {
    let frames = World::frames(7, 900);
    let mut sink = db.sink();
    project(sink.as_mut(), &frames, 100, &options()).unwrap();
    for (what, sql) in [
        ("active rates", "SELECT count(*) FROM fee_schedules WHERE active = 1"),
        (
            "removed rates",
            "SELECT count(*) FROM fee_schedules WHERE active = 0 AND taker <> 0 AND updated_at > created_at",
        ),
        ("busts", "SELECT count(*) FROM busts WHERE value > 0 AND created_at > '2026-11-22'"),
        ("status", "SELECT count(*) FROM exchange WHERE id = 0 AND sequence > 1 AND updated_at > '2026-11-22'"),
        ("waiting stops", "SELECT count(*) FROM orders WHERE status = 'UNTRIGGERED'"),
        ("failed stops", "SELECT count(*) FROM orders WHERE reason = 'TRIGGER_FAILED' AND code > 0 AND code_name > ''"),
        ("shown codes", "SELECT count(*) FROM v_orders WHERE code_name IN ('PRICE_BAND', 'NOTIONAL')"),
        (
            "refused busts",
            "SELECT count(*) FROM rejections WHERE message = 'BUST_TRADE' AND code_name = 'BAD_TRADE' AND symbol = 2 AND price = -7 AND quantity = 9",
        ),
        ("refused rates", "SELECT count(*) FROM rejections WHERE message = 'SET_FEES' AND account > 15"),
    ] {
        assert!(number(sink.as_mut(), sql) > 0, "no {what}");
    }
    for (what, sql) in [
        ("codes of other orders", "SELECT count(*) FROM orders WHERE code IS NOT NULL AND reason <> 'TRIGGER_FAILED'"),
        ("failed stops without a code", "SELECT count(*) FROM orders WHERE code IS NULL AND reason = 'TRIGGER_FAILED'"),
        ("symbols of no number", "SELECT count(*) FROM symbols WHERE symbol = 0"),
        ("busts without a trade", "SELECT count(*) FROM busts WHERE trade_id NOT IN (SELECT trade_id FROM trades)"),
        (
            "busts unlike their trade",
            "SELECT count(*) FROM busts b JOIN v_trades t ON t.trade_id = b.trade_id WHERE t.busted <> 1 OR t.buy_account <> b.buyer OR t.sell_account <> b.seller OR t.buy_order <> b.buy_order OR t.sell_order <> b.sell_order",
        ),
        ("busts that stand", "SELECT count(*) FROM trades_standing WHERE trade_id IN (SELECT trade_id FROM busts)"),
    ] {
        assert_eq!(number(sink.as_mut(), sql), 0, "{what}");
    }
    let mut count = |sql: &str| number(sink.as_mut(), &format!("SELECT count(*) FROM {sql}"));
    assert_eq!(count("trades_standing") + count("busts"), count("trades"));
    assert_eq!(count("v_trades WHERE busted = 1 AND busted_at IS NOT NULL"), count("busts"));
}
both!(rows_of_every_kind_are_there);

/// Restarts forget the cache of open orders; a tiny cache forgets them all the time.
fn forgotten_orders_are_read_again(db: &Db) {
    let frames = World::frames(5, 600);
    let expected = common::expected(&frames);
    let mut sink = db.sink();
    let small = ringbook_projector::Options { order_cache: 3, ..options() };
    for end in [120, 121, 300, 600] {
        project(sink.as_mut(), &frames[..end], 9, &small).unwrap();
    }
    assert_same(&dump(sink.as_mut()), &expected, "restarts");
}
both!(forgotten_orders_are_read_again);

fn views_show_decimals_and_times(db: &Db) {
    let frames = World::frames(4, 200);
    let mut sink = db.sink();
    project(sink.as_mut(), &frames, 100, &options()).unwrap();
    let sink = sink.as_mut();
    let char = |sql: &str| match db {
        Db::Sqlite(_) => format!("CAST({sql} AS TEXT)"),
        Db::MySql { .. } => format!("CAST({sql} AS CHAR)"),
    };
    // tick 0.01, lot 0.00001, amounts with 8 places.
    let id = number(sink, "SELECT min(order_id) FROM orders WHERE price IS NOT NULL AND executed_quantity > 0");
    let price = number(sink, &format!("SELECT price FROM orders WHERE order_id = {id}"));
    let shown = text(sink, &format!("SELECT {} FROM v_orders WHERE id = {id}", char("price")));
    assert_eq!(shown.trim_end_matches('0'), format!("{}.{:02}", price / 100, price % 100).trim_end_matches('0'));
    let quantity = number(sink, &format!("SELECT filled_quantity FROM orders WHERE order_id = {id}"));
    assert_eq!(quantity, number(sink, &format!("SELECT executed_quantity FROM orders WHERE order_id = {id}")));
    for column in ["executed_quantity", "filled_quantity"] {
        let shown = text(sink, &format!("SELECT {} FROM v_orders WHERE id = {id}", char(column)));
        assert!(shown.starts_with(&format!("0.{quantity:05}")), "{column}: {shown} for {quantity} lots");
    }
    let available = number(sink, "SELECT available FROM balances WHERE account = 4 AND asset = 2");
    let shown = text(sink, &format!("SELECT {} FROM v_balances WHERE account = 4 AND asset = 2", char("available")));
    assert_eq!(
        shown.trim_end_matches('0').trim_end_matches('.'),
        format!("-{}.{:08}", -available / 100_000_000, -available % 100_000_000)
            .trim_end_matches('0')
            .trim_end_matches('.')
    );
    let ns = number(sink, &format!("SELECT created_ns FROM orders WHERE order_id = {id}"));
    let shown = text(sink, &format!("SELECT {} FROM orders WHERE order_id = {id}", char("created_at")));
    assert!(shown.starts_with("2026-11-2"), "{shown}");
    assert!(shown.ends_with(&format!(".{:06}", ns / 1_000 % 1_000_000)), "{shown} of {ns}");
    assert_eq!(number(sink, "SELECT count(*) FROM users"), 8);
    assert_eq!(number(sink, "SELECT count(*) FROM v_trades"), number(sink, "SELECT count(*) FROM trades"));
    assert_eq!(
        number(
            sink,
            "SELECT count(*) FROM orders WHERE quantity <> executed_quantity + prevented + cut + remaining + unfilled"
        ),
        0
    );
    assert_eq!(
        number(
            sink,
            "SELECT count(*) FROM (SELECT asset FROM balances GROUP BY asset HAVING sum(available + held) <> 0) x"
        ),
        0
    );
    if let Db::MySql { .. } = db {
        let partitions = number(
            sink,
            "SELECT count(*) FROM information_schema.partitions WHERE table_schema = DATABASE() AND table_name IN ('trades', 'busts')",
        );
        let days = ["trades", "busts"].map(|t| number(sink, &format!("SELECT count(DISTINCT day) FROM {t}")));
        assert_eq!(partitions, days[0] + 1 + days[1] + 1, "one partition a day and the last");
    }
}
both!(views_show_decimals_and_times);

#[test]
fn bad_frames_are_refused_whole() {
    let frames = World::frames(6, 120);
    let mut fold = Projector::new(Position::default(), 10);
    fold.push(&frames[0].frame()).unwrap();
    let before = format!("{:?}", fold.row_sets());
    let next = &frames[1];
    let broken = |change: &dyn Fn(&mut OwnedFrame)| {
        let mut frame = next.clone();
        change(&mut frame);
        frame
    };
    let cases: [(&str, OwnedFrame); 7] = [
        ("gap", broken(&|f| f.sequence = 3)),
        ("repeat", broken(&|f| f.sequence = 1)),
        ("cut events", broken(&|f| f.events.truncate(12))),
        ("zero length", broken(&|f| f.events[1] = 0)),
        ("cut command", broken(&|f| f.command.truncate(20))),
        ("time", broken(&|f| f.time_ns = u64::MAX)),
        (
            "foreign event",
            OwnedFrame {
                sequence: 2,
                ..frames
                    .iter()
                    .find(|f| f.events.first() == Some(&1))
                    .map(|f| OwnedFrame { command: frames[1].command.clone(), ..f.clone() })
                    .unwrap()
            },
        ),
    ];
    for (what, frame) in cases {
        let error = fold.push(&frame.frame()).expect_err(what);
        assert!(matches!(error, FoldError::Gap { .. } | FoldError::Bytes { .. }), "{what}: {error}");
        assert_eq!(format!("{:?}", fold.row_sets()), before, "{what}");
    }
    fold.push(&next.frame()).unwrap();
}
