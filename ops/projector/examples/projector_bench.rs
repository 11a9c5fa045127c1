//! How fast rows get into a database, beside the ways they got there before. `scripts/bench projector` runs it.
//!
//! ```text
//! cargo run --release -p ringbook-projector --example projector_bench -- [--mysql URL] [--frames N] [--seconds S]
//! ```
//!
//! One JSON object on standard output. In one run, on one machine, against one server:
//! * `rows_per_s`: a random journal through the fold and the writer, in batches of at most 20,000 rows;
//! * `row_by_row_rows_per_s`: the same rows, a statement for each event, a transaction for each frame;
//! * `before_tps_1`, `before_tps_8`: the replaced system's way, one transaction for each fill (two orders locked, one
//!   trade inserted, two orders and four balances updated), by 1 and by 8 connections;
//! * `load_data_rows_per_s`: the trades and orders of the same journal by LOAD DATA INFILE into the same tables, the
//!   fastest way in that the server has.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Db, naive, world::World};
use ringbook_projector::schema::{ORDERS, TRADES, Table};
use ringbook_projector::{
    FrameList, OwnedFrame, Position, Progress, Projector, Sink, Value, open, open_fold, run, set_up,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut mysql, mut frames, mut seconds) = (std::env::var("RINGBOOK_TEST_MYSQL").ok(), 200_000usize, 5u64);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        match arg.as_str() {
            "--mysql" => mysql = Some(value),
            "--frames" => frames = value.parse().expect("--frames takes a number"),
            "--seconds" => seconds = value.parse().expect("--seconds takes a number"),
            other => panic!("{other}: use --mysql URL, --frames N, --seconds S"),
        }
    }
    let mut world = World::new(1, 64);
    world.jumps = false;
    while world.frames.len() < frames {
        world.step();
    }
    let frames = Arc::new(world.frames);
    let limit = Duration::from_secs(seconds);
    let mut out = serde_json::Map::new();
    out.insert("frames".into(), frames.len().into());
    let (fold_rate, rows) = fold_only(&frames);
    out.insert("rows_of_the_journal".into(), rows.into());
    out.insert("fold_frames_per_s".into(), fold_rate.into());
    out.insert("sqlite_rows_per_s".into(), batched(&Db::sqlite(), &frames).into());
    out.insert("sqlite_row_by_row_rows_per_s".into(), row_by_row(&Db::sqlite(), &frames, limit).into());
    if let Some(url) = mysql {
        out.insert("rows_per_s".into(), batched(&Db::on(&url), &frames).into());
        out.insert("row_by_row_rows_per_s".into(), row_by_row(&Db::on(&url), &frames, limit).into());
        out.insert("before_tps_1".into(), before(&Db::on(&url), 1, limit).into());
        out.insert("before_tps_8".into(), before(&Db::on(&url), 8, limit).into());
        out.insert("load_data_rows_per_s".into(), load_data(&Db::on(&url), &frames).into());
    }
    println!("{}", serde_json::Value::Object(out));
}

fn rate(count: u64, start: Instant) -> u64 {
    (count as f64 / start.elapsed().as_secs_f64()) as u64
}

fn fold_only(frames: &[OwnedFrame]) -> (u64, u64) {
    let start = Instant::now();
    let mut fold = Projector::new(Position::default(), usize::MAX);
    let mut rows = 0;
    for frame in frames {
        fold.push(&frame.frame()).expect("good frames");
        if fold.rows() >= 20_000 {
            rows += fold.row_sets().iter().map(|s| s.len() as u64).sum::<u64>();
            fold.committed();
        }
    }
    rows += fold.row_sets().iter().map(|s| s.len() as u64).sum::<u64>();
    (rate(frames.len() as u64, start), rows)
}

/// The projector itself. Rows count as the slow way would write them: what the fold saves is part of its speed only
/// in `frames`; here each row that is really written counts once.
fn batched(db: &Db, frames: &Arc<Vec<OwnedFrame>>) -> u64 {
    let mut sink = db.sink();
    set_up(sink.as_mut(), &ringbook_projector::Owner::default()).expect("set-up");
    let (stop, progress) = (AtomicBool::new(false), Progress::default());
    let last = frames.len() as u64;
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            run(&mut FrameList::new(Arc::clone(frames)), sink.as_mut(), &common::options(), &stop, &progress)
                .expect("runs")
        });
        progress.wait_for(last, Duration::from_secs(600));
        let seconds = rate(progress.report().rows, start);
        stop.store(true, Relaxed);
        eprintln!("{}: {} frames/s", if matches!(db, Db::Sqlite(_)) { "sqlite" } else { "mysql" }, rate(last, start));
        seconds
    })
}

fn row_by_row(db: &Db, frames: &[OwnedFrame], limit: Duration) -> u64 {
    let mut sink = db.sink();
    set_up(sink.as_mut(), &ringbook_projector::Owner::default()).expect("set-up");
    let start = Instant::now();
    let mut rows = 0;
    for frame in frames {
        rows += naive::apply(sink.as_mut(), frame).expect("applies") as u64;
        if start.elapsed() > limit {
            break;
        }
    }
    rate(rows, start)
}

/// Fills per second of the replaced system's way.
fn before(db: &Db, connections: u32, limit: Duration) -> u64 {
    let mut sink = db.sink();
    open_fold(sink.as_mut(), &common::options()).expect("set-up");
    for id in 0..1_000i64 {
        let mut row: Vec<Value> =
            ORDERS.columns.iter().map(|c| if c.null { Value::Null } else { Value::Int(0) }).collect();
        row[0] = id.into();
        let marks = vec!["?"; row.len()].join(", ");
        sink.execute(&format!("INSERT INTO orders ({}) VALUES ({marks})", ORDERS.column_list()), &row).expect("order");
        for asset in 1..=2i64 {
            sink.execute("INSERT INTO balances (account, asset, available, held, sequence, updated_ns) VALUES (?, ?, 0, 0, 0, 0)", &[id.into(), asset.into()]).expect("balance");
        }
    }
    let (fills, next) = (AtomicU64::new(0), AtomicU64::new(1));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..connections {
            let (fills, next) = (&fills, &next);
            scope.spawn(move || {
                let mut sink = open(&db.url()).expect("url");
                sink.connect().expect("connects");
                let mut random = u64::from(worker) * 7_919 + 1;
                while start.elapsed() < limit {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let buyer = (random >> 33) as i64 % 500 * 2;
                    if fill(sink.as_mut(), next.fetch_add(1, Relaxed), buyer, buyer + 1).is_ok() {
                        fills.fetch_add(1, Relaxed);
                    } else {
                        sink.rollback();
                    }
                }
            });
        }
    });
    rate(fills.load(Relaxed), start)
}

fn fill(sink: &mut dyn Sink, trade: u64, buyer: i64, seller: i64) -> Result<(), ringbook_projector::SinkError> {
    let (a, b) = (Value::from(buyer), Value::from(seller));
    sink.begin(false)?;
    let column = ORDERS.columns[0];
    sink.select(
        "SELECT order_id FROM orders WHERE order_id IN (?, ?) FOR UPDATE",
        &[a.clone(), b.clone()],
        &[column],
        &mut |_| {},
    )?;
    let mut row: Vec<Value> = vec![Value::Int(1); TRADES.columns.len()];
    row[0] = trade.into();
    let marks = vec!["?"; row.len()].join(", ");
    sink.execute(&format!("INSERT INTO trades ({}) VALUES ({marks})", TRADES.column_list()), &row)?;
    for order in [&a, &b] {
        sink.execute("UPDATE orders SET executed_quantity = executed_quantity + 1, cost = cost + 1, status = 'PARTIALLY_FILLED' WHERE order_id = ?", std::slice::from_ref(order))?;
        for asset in 1..=2i64 {
            sink.execute(
                "UPDATE balances SET available = available + 1 WHERE account = ? AND asset = ?",
                &[order.clone(), asset.into()],
            )?;
        }
    }
    sink.commit()
}

fn load_data(db: &Db, frames: &[OwnedFrame]) -> u64 {
    let mut sink = db.sink();
    set_up(sink.as_mut(), &ringbook_projector::Owner::default()).expect("set-up");
    let mut fold = Projector::new(Position::default(), usize::MAX);
    frames.iter().for_each(|f| fold.push(&f.frame()).expect("good frames"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    for set in fold.row_sets().iter().filter(|s| [ORDERS.name, TRADES.name].contains(&s.table.name)) {
        let mut text = String::new();
        for row in set.values.chunks_exact(set.table.columns.len()) {
            let cells: Vec<String> = row
                .iter()
                .map(|v| {
                    if *v == Value::Null {
                        "\\N".into()
                    } else {
                        v.as_str().map_or_else(|| v.to_string(), str::to_owned)
                    }
                })
                .collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        let path = folder.path().join(set.table.name);
        std::fs::write(&path, text).expect("writes");
        files.push((set.table, path, set.len() as u64));
    }
    let start = Instant::now();
    let mut rows = 0;
    for (table, path, count) in files {
        let table: &Table = table;
        // The server reads the file itself: it needs the FILE privilege and a server on this machine.
        let sql = format!("LOAD DATA INFILE '{}' INTO TABLE {} ({})", path.display(), table.name, table.column_list());
        sink.define(&sql).expect("LOAD DATA: the server runs here and the user has the FILE privilege");
        rows += count;
    }
    rate(rows, start)
}
