//! Journals of the engine itself: random commands of the oracle's generator, and the state that they end in.

use ringbook_core::Engine;
use ringbook_event::{Event, Origin, events};
use ringbook_oracle::generate::Generator;
use ringbook_projector::{FuturesState, OwnedFrame, PerpetualTerms, StateRows};
use ringbook_wire::{Sequence, TimestampNs};
use zerocopy::IntoBytes;

/// An engine and the frames that it made.
pub struct Journal {
    pub engine: Engine,
    pub frames: Vec<OwnedFrame>,
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

    /// A journal of this many frames.
    pub fn random(generator: Generator, commands: usize) -> Self {
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

    /// The engine's state, for `verify`.
    pub fn state(&self) -> StateRows {
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
