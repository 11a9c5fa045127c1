//! No row is missing and none is applied twice: connections broken at every exchange with the database, processes
//! killed there, answers of commits lost, two writers, old positions.
mod common;

use common::{Db, Faulty, assert_same, dump, expected, fold, options, project, world::World};
use ringbook_projector::{
    FlushError, FrameList, OwnedFrame, Progress, Projector, RunError, Sink, Writer, open_fold, read_position, run,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Projects in batches of 40 frames through a connection that breaks once; either goes on with the same fold after a
/// reconnect (a broken connection) or throws everything away and starts from the database (a killed process).
fn with_fault(
    sink: Box<dyn Sink>,
    frames: &[OwnedFrame],
    break_at: u64,
    after: bool,
    kill: bool,
) -> (Box<dyn Sink>, u64) {
    let mut sink = Faulty::new(sink, 0, after);
    let mut fold = fold(&mut sink);
    sink.calls = 0;
    sink.break_at = break_at;
    let mut writer = Writer::new("", None);
    'start: loop {
        let from = fold.position().sequence as usize;
        for chunk in frames[from..].chunks(40) {
            for frame in chunk {
                fold.push(&frame.frame()).unwrap();
            }
            while let Err(error) = writer.flush(&mut fold, &mut sink) {
                assert!(matches!(error, FlushError::Sink(_)), "{error}");
                sink.connect().unwrap();
                if kill {
                    fold = open_fold(&mut sink, &options()).unwrap();
                    writer = Writer::new("", None);
                    continue 'start;
                }
            }
        }
        return (sink.inner, sink.calls);
    }
}

fn a_break_at_any_point_loses_and_doubles_nothing(db: &Db) {
    let frames = World::frames(11, 200);
    let expected = expected(&frames);
    let fresh = || match db {
        Db::Sqlite(_) => Db::sqlite(),
        Db::MySql { .. } => Db::mysql(),
    };
    let db = fresh();
    let (_, calls) = with_fault(db.sink(), &frames, 0, false, false);
    assert!(calls > 40, "{calls}");
    // Setting up a MySQL database takes its time: fewer points there, other ones for each way of breaking.
    let step = if matches!(db, Db::Sqlite(_)) { 1 } else { 11 };
    for (way, (after, kill)) in [(false, false), (true, false), (false, true), (true, true)].into_iter().enumerate() {
        for break_at in (1 + way as u64..=calls).step_by(step) {
            let db = fresh();
            let (mut sink, _) = with_fault(db.sink(), &frames, break_at, after, kill);
            let what = format!("broken at {break_at} of {calls}, after {after}, killed {kill}");
            assert_same(&dump(sink.as_mut()), &expected, &what);
        }
    }
}
both!(a_break_at_any_point_loses_and_doubles_nothing);

fn two_writers_cannot_both_win(db: &Db) {
    let frames = World::frames(12, 300);
    let (mut one, mut two) = (db.sink(), db.sink());
    let (mut fold_one, mut fold_two) = (fold(one.as_mut()), fold(two.as_mut()));
    let (mut writer_one, mut writer_two) = (Writer::new("", None), Writer::new("", None));
    for frame in &frames[..100] {
        fold_one.push(&frame.frame()).unwrap();
        fold_two.push(&frame.frame()).unwrap();
    }
    fold_two.push(&frames[100].frame()).unwrap();
    writer_one.flush(&mut fold_one, one.as_mut()).unwrap();
    let error = writer_two.flush(&mut fold_two, two.as_mut()).unwrap_err();
    assert!(matches!(error, FlushError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("Two projectors"), "{error}");
    // The loser left nothing behind.
    assert_same(&dump(one.as_mut()), &expected(&frames[..100]), "after the loser");
    assert_eq!(read_position(one.as_mut(), "").unwrap().unwrap().sequence, 100);
}
both!(two_writers_cannot_both_win);

/// Two whole projectors at once: one of them stops with the error, the other finishes, and the rows are right.
fn two_projectors_side_by_side(db: &Db) {
    let frames = Arc::new(World::frames(13, 1_500));
    drop(fold(db.sink().as_mut()));
    let stop = AtomicBool::new(false);
    let progress = [Progress::default(), Progress::default()];
    let results: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = progress
            .iter()
            .map(|progress| {
                let (frames, stop) = (Arc::clone(&frames), &stop);
                scope.spawn(move || {
                    let mut sink = db.sink();
                    let options = ringbook_projector::Options { batch_rows_min: 40, batch_rows_max: 60, ..options() };
                    run(&mut FrameList::new(frames), sink.as_mut(), &options, stop, progress)
                })
            })
            .collect();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while progress.iter().all(|p| p.sequence() < 1_500) && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        // The other one ends by itself, or when it is told to if it came too late to write.
        stop.store(true, Relaxed);
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    for result in &results {
        assert!(matches!(result, Ok(()) | Err(RunError::Flush(FlushError::Lost { .. }))), "{result:?}");
    }
    assert_same(&dump(db.sink().as_mut()), &expected(&frames), "two projectors");
}
both!(two_projectors_side_by_side);

/// Whoever begins with an older position than the database's writes nothing.
fn an_old_position_writes_nothing(db: &Db) {
    let frames = World::frames(14, 200);
    let mut sink = db.sink();
    let position = project(sink.as_mut(), &frames, 50, &options()).unwrap();
    let before = dump(sink.as_mut());
    for from in [0u64, 1, 50, 150, 199] {
        let old = ringbook_projector::Position {
            sequence: from,
            term: from.checked_sub(1).map_or(0, |i| frames[i as usize].term),
            ..position
        };
        let mut fold = Projector::new(old, 100);
        for frame in &frames[from as usize..] {
            fold.push(&frame.frame()).unwrap();
        }
        let error = Writer::new("", None).flush(&mut fold, sink.as_mut()).unwrap_err();
        assert!(matches!(error, FlushError::Lost { .. }), "{error}");
        assert_same(&dump(sink.as_mut()), &before, "an old position");
    }
}
both!(an_old_position_writes_nothing);

/// Rows of a history that the journal lost (a power cut under ack `written`, a restored backup) are not continued.
fn rows_of_a_lost_history_are_not_continued(db: &Db) {
    let mut world = World::new(77, 4);
    while world.frames.len() < 300 {
        world.step();
    }
    project(db.sink().as_mut(), &world.frames, 100, &options()).unwrap();
    let mut other = world.frames.clone();
    for frame in &mut other[250..] {
        frame.term += 1;
    }
    let (stop, progress) = (std::sync::atomic::AtomicBool::new(false), ringbook_projector::Progress::default());
    let mut source = ringbook_projector::FrameList::new(other);
    let error = ringbook_projector::run(&mut source, db.sink().as_mut(), &options(), &stop, &progress).unwrap_err();
    assert!(error.to_string().contains("history that was lost"), "{error}");
}
both!(rows_of_a_lost_history_are_not_continued);
