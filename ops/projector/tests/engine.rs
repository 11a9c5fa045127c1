//! The engine's own journals: random commands, projected, then held against the state of the engine that made them.
mod common;

use common::{Db, fresh, number, options, project};
use ringbook_core::Engine;
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::generate::{Feature, Generator};
use ringbook_projector::{FrameList, FuturesState, OwnedFrame, PerpetualTerms, StateRows, verify};
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

    fn random(generator: Generator, commands: usize) -> Self {
        let mut generator = generator;
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
        rows.futures = Some(self.futures());
        rows
    }

    fn futures(&self) -> FuturesState {
        let engine = &self.engine;
        let mut state = FuturesState::default();
        for account in engine.account_ids() {
            state.wallets.extend(engine.margins(account).iter().map(|m| (account.0, m.asset.0, m.wallet.0)));
            for p in engine.positions(account) {
                let (account, symbol) = (account.0, p.symbol.0);
                state.positions.push((account, symbol, p.mode, p.leverage, p.quantity.0, p.cost.0, p.margin.0));
                state.limits.push((account, symbol, p.limit.0));
            }
        }
        for c in engine.symbols().iter().filter_map(|s| engine.contract_view(s.symbol)) {
            state.perpetuals.push(PerpetualTerms {
                symbol: c.symbol.0,
                mark: c.mark.0,
                mark_feed_ns: c.feed_time.0,
                funding_index: c.funding_index,
                funding_due_ns: c.funding_due.0,
                reduce_only: c.reduce_only,
                max_position: c.max_position.0,
                max_leverage: c.max_leverage,
                mark_max_age: c.mark_max_age,
                mark_jump: c.mark_jump.0,
                mark_confirmations: c.mark_confirmations.into(),
                funding_interval: c.funding_interval,
                funding_cap: c.funding_cap.0,
                liquidation_fee: c.liquidation_fee.0,
                fund_multiple: c.fund_multiple.0,
                tiers: c.tiers.iter().map(|t| (t.0.0, t.1.0, t.2.0, t.3)).collect(),
            });
        }
        state
    }
}

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
        "SELECT count(*) FROM (SELECT amount, total, LAG(total, 1, 0) OVER (PARTITION BY asset ORDER BY sequence, item) AS was FROM insurance_fund) x WHERE was + amount <> total",
    ),
];

fn perpetuals_agree_with_the_engine(db: &Db) {
    let mut seen = [0; SEEN.len()];
    for seed in 1..=10 {
        let journal = Journal::random(Generator::new(seed).with(Feature::Perpetual), 2_500);
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
