//! Opening a data folder: lock, tail rule, recovery, and the first commands of a new journal.

use crate::config::{Config, MAX_EVENT_BYTES, MAX_FRAME_BYTES};
use crate::{demo, init, output};
use ringbook_client::Key;
use ringbook_core::RULES_VERSION;
use ringbook_event::ORIGIN_BYTES;
use ringbook_journal::{AckPolicy, Journal, Options, RealStorage, Sequence};
use ringbook_pipeline::{Clock, EngineAgent, Stranded};
use ringbook_replay::{BeyondEnd, History, RecoverOptions, Recovered, Stage, recover};
use ringbook_snapshot::Store;
use ringbook_wire::SymbolId;
use ringbook_wire::codec::header;
use ringbook_wire::message::{Deposit, Genesis, Message, MessageType, NewOrder, Quarantine, Withdraw};
use std::path::Path;

/// What opening yields.
pub struct Opened {
    pub journal: Journal,
    pub recovered: Recovered,
    pub history: History,
    pub keys: Vec<Key>,
    pub term: u32,
}

/// Options of the journal for a configuration.
pub fn journal_options(config: &Config) -> Result<Options, String> {
    Ok(Options {
        segment_bytes: config.segment_mib << 20,
        max_frame_bytes: MAX_FRAME_BYTES,
        tail_dir: config.tail_dir.clone(),
        ack: config.ack_policy()?,
        binary_version: env!("CARGO_PKG_VERSION").into(),
        free_space_floor: config.free_space_floor_mib << 20,
        ..Options::default()
    })
}

/// Tails belong into memory: on a disk every append can wait for it.
fn check_tail_dir(dir: &Path) -> Result<(), String> {
    const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58F6]; // tmpfs, ramfs
    let found = rustix::fs::statfs(dir).map_err(|error| {
        format!("setting tail_dir = \"{}\": {error}; name a folder in shared memory, as /dev/shm", dir.display())
    })?;
    if !IN_MEMORY.contains(&(found.f_type as i64)) {
        tracing::warn!(tail_dir = %dir.display(), "this folder is not in memory: orders will wait for its disk; use /dev/shm");
    }
    Ok(())
}

/// Opens the journal and recovers the state; says what it did.
pub fn open(config: &Config) -> Result<Opened, String> {
    let data = &config.data;
    std::fs::create_dir_all(data)
        .map_err(|error| format!("data folder {}: {error}; choose another with --data", data.display()))?;
    check_tail_dir(&config.tail_dir)?;
    let options = journal_options(config)?;
    let opened =
        Journal::open(&data.join("journal"), RealStorage::new(), options).map_err(|error| error.to_string())?;
    let (journal, report) = (opened.journal, opened.recovery);
    if report.tail_bytes_cut > 0 {
        let kept = report.cut_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        tracing::warn!(bytes = report.tail_bytes_cut, kept, "an unfinished tail that was never durable was cut");
    }
    let history = History::from(&journal);
    let store = Store::new(data.join("snapshots"));
    let beyond_end = if config.ack_policy()? == AckPolicy::Durable { BeyondEnd::Refuse } else { BeyondEnd::Skip };
    let mut reader = journal.reader(report.first_sequence.max(Sequence(1)));
    let bar = output::bar("recovering");
    let recovered = recover(
        &mut reader,
        report.last_sequence.0,
        &history,
        &store,
        &RecoverOptions { beyond_end },
        &mut |progress| {
            if progress.stage == Stage::Replay {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
        },
    )
    .map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    drop(reader);
    for rejected in &recovered.rejected {
        match store.set_aside(rejected.sequence) {
            Ok(path) => tracing::warn!(file = %path.display(), "a snapshot that was not used was set aside"),
            Err(error) => tracing::warn!(%error, "a snapshot that was not used could not be set aside"),
        }
    }
    tracing::info!(
        last_sequence = recovered.last_sequence,
        snapshot = recovered.snapshot_sequence,
        replayed = recovered.frames_replayed,
        from_shared_memory_bytes = report.from_tail_memory_bytes,
        term = report.term,
        seconds = recovered.seconds + report.seconds,
        "recovered"
    );
    // Keys are needed where they make the first commands; later the journal knows the public halves. The admin key is the
    // last of the first commands: without it they were not finished, and are given again (each has no second effect).
    let finished = recovered.engine.keys().iter().any(|key| key.key.0 == init::ADMIN_KEY);
    let keys = if finished { Vec::new() } else { init::keys(&data.join("keys"), true)? };
    Ok(Opened { journal, recovered, history, keys, term: report.term })
}

/// GENESIS, keys and the demo market of a new journal; a quarantine after a crash of the engine.
pub fn first_commands<C: Clock>(
    engine: &mut EngineAgent<C>,
    config: &Config,
    keys: &[Key],
    stranded: Option<Stranded>,
) -> Result<(), String> {
    let new = engine.engine().sequence().0 == 0;
    let run =
        |engine: &mut EngineAgent<C>, message: &[u8]| engine.execute_now(message).map_err(|error| error.to_string());
    if new {
        let mut seed = [0u8; 16];
        getrandom::fill(&mut seed).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let word = |at: usize| u64::from_le_bytes(seed[at..at + 8].try_into().expect("8 bytes"));
        let genesis = Genesis {
            seed: [word(0), word(8)],
            rules: RULES_VERSION,
            shard: 0,
            dedupe_capacity: config.dedupe_capacity,
            max_event_bytes: MAX_EVENT_BYTES,
            max_orders: config.max_orders,
            ..Genesis::new(0)
        };
        run(engine, zerocopy::IntoBytes::as_bytes(&genesis))?;
    }
    if !keys.is_empty() {
        if config.demo {
            for command in demo::commands() {
                // After a crash between them some are repeated: a deposit's number is used up then.
                match run(engine, &command) {
                    Err(error) if new || !error.contains("code 500") => return Err(error),
                    _ => {}
                }
            }
        }
        for key in keys.iter().rev() {
            run(engine, &init::key_command(key))?;
        }
        tracing::info!(demo = config.demo, keys = %config.data.join("keys").display(), "a new exchange was made");
    }
    if let Some(stranded) = stranded {
        let symbol = engine.engine().symbol_of(&stranded.command[ORIGIN_BYTES..]);
        let message = quarantine(&stranded, symbol, &config.data)?;
        run(engine, zerocopy::IntoBytes::as_bytes(&message))?;
    }
    Ok(())
}

/// Sets a command aside that crashed the engine: its bytes go to a dead-letter file, its retry gets a final answer. The
/// second crash on one symbol starts the symbol HALTED, and so does any crash in the middle of a match.
fn quarantine(stranded: &Stranded, symbol: SymbolId, data: &Path) -> Result<Quarantine, String> {
    let folder = data.join("dead-letters");
    let path = folder.join(format!("command-{:020}.bin", stranded.sequence));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, &stranded.command))
        .map_err(|error| format!("dead letter {}: {error}", path.display()))?;
    let message = &stranded.command[ORIGIN_BYTES..];
    let mut quarantine = Quarantine::new(0);
    quarantine.kind = header(message).kind;
    quarantine.symbol = symbol;
    if let Some(order) = NewOrder::read(message) {
        quarantine.account = order.account;
        quarantine.client_id = order.client_id;
        quarantine.send_time = order.send_time;
    } else if let Some(deposit) = Deposit::read(message) {
        quarantine.account = deposit.account;
        quarantine.adjustment = deposit.adjustment;
    } else if let Some(withdraw) = Withdraw::read(message) {
        quarantine.account = withdraw.account;
        quarantine.adjustment = withdraw.adjustment;
    }
    let marker = folder.join("last-crash");
    let this = format!("{} {}", quarantine.symbol, MessageType::from_code(quarantine.kind).map_or("?", |k| k.name()));
    let again = std::fs::read_to_string(&marker).is_ok_and(|before| before == this);
    let halt = symbol.0 != 0 && (again || quarantine.kind == MessageType::Continue as u8);
    quarantine.halt = u32::from(halt);
    std::fs::write(&marker, &this).map_err(|error| format!("{}: {error}", marker.display()))?;
    tracing::error!(
        sequence = stranded.sequence, command = %path.display(), halted = halt,
        "a command crashed the engine; it was set aside and its sender gets ENGINE_FAULT. Send the file to the developers"
    );
    Ok(quarantine)
}
