//! Perpetuals in images: contracts, records, what is being worked on; and back (see `image.rs`, `restore.rs`).
//!
//! Invariant: what follows from other parts of the state is not in an image: sums of orders, open interest, watched prices.

use super::contract::{Contract, ContractTerms, Run, Tier, tiers_fit};
use super::liquidation::{Liquidation, Step};
use super::reduce_only::Chore;
use super::work_loop::{Bucket, FundRound};
use crate::engine::Engine;
use crate::image::{
    BucketImage, ChoreImage, ContractImage, FundRoundImage, Image, LiquidationImage, PositionImage, TierImage,
};
use crate::orders::{NIL, Place};
use crate::pending::Task;
use crate::restore::{Checked, flag, known};
use ringbook_wire::message::MAX_TIERS;
use ringbook_wire::{
    AccountId, Amount, AssetId, MAX_AMOUNT, MarginMode, Price, Qty, RATE_ONE, Rate, Side, SymbolId, SymbolKind,
    TimestampNs,
};
use std::cmp::Reverse;

fn bucket_image(owner: AccountId, bucket: Bucket) -> BucketImage {
    let (isolated, of) = match bucket {
        Bucket::Isolated(symbol) => (1, symbol.0),
        Bucket::Cross(asset) => (0, asset.0),
    };
    BucketImage { account: owner.0, isolated, of }
}

impl Engine {
    pub(crate) fn contract_images(&self) -> Vec<ContractImage> {
        let contracts = self.symbols.all().filter_map(|symbol| Some((symbol.id, symbol.contract.as_ref()?)));
        contracts
            .map(|(symbol, contract)| {
                let terms = &contract.terms;
                let tier = |tier: &Tier| TierImage {
                    cap: tier.cap.0,
                    rate: tier.rate.0,
                    amount: tier.amount.0,
                    max_leverage: tier.max_leverage,
                };
                ContractImage {
                    symbol: symbol.0,
                    max_position: terms.max_position.0,
                    mark_max_age: terms.mark_max_age,
                    mark_jump: terms.mark_jump.0,
                    funding_interval: terms.funding_interval,
                    funding_cap: terms.funding_cap.0,
                    liquidation_fee: terms.liquidation_fee.0,
                    fund_multiple: terms.fund_multiple.0,
                    max_leverage: terms.max_leverage,
                    mark_confirmations: terms.mark_confirmations,
                    reduce_only: u8::from(contract.reduce_only),
                    tiers: terms.tiers().iter().map(tier).collect(),
                    mark: contract.mark.0,
                    feed_time: contract.feed_time.0,
                    offered: contract.offered.0,
                    run_last: contract.run.last.0,
                    run_count: contract.run.count,
                    funding_index: contract.funding_index,
                    funding_due: contract.funding_due.0,
                }
            })
            .collect()
    }

    pub(crate) fn position_images(&self) -> Vec<PositionImage> {
        let mut images: Vec<PositionImage> = self
            .positions
            .all()
            .iter()
            .map(|position| PositionImage {
                account: position.owner.0,
                symbol: position.symbol.0,
                mode: position.state.mode.code(),
                leverage: position.state.leverage,
                quantity: position.state.quantity,
                cost: position.state.cost.0,
                margin: position.state.margin.0,
                limit: position.limit,
            })
            .collect();
        images.sort_unstable_by_key(|image| (image.account, image.symbol));
        images
    }

    pub(crate) fn chore_images(&self) -> Vec<ChoreImage> {
        let image = |chore: &Chore| {
            let (kind, slot) = match *chore {
                Chore::Trim(slot) => (1, slot),
                Chore::Margin(slot) => (2, slot),
            };
            let position = self.positions.get(slot);
            ChoreImage { kind, account: position.owner.0, symbol: position.symbol.0 }
        };
        self.chores.iter().map(image).collect()
    }

    pub(crate) fn bucket_images(&self) -> Vec<BucketImage> {
        let mut buckets: Vec<_> = self.touched.iter().map(|Reverse(entry)| *entry).collect();
        buckets.sort_unstable();
        buckets.into_iter().map(|(owner, bucket)| bucket_image(owner, bucket)).collect()
    }

    pub(crate) fn liquidation_images(&self) -> Vec<LiquidationImage> {
        let image = |liquidation: &Liquidation| {
            let owner = self.accounts.get(liquidation.account).id;
            let BucketImage { account, isolated, of } = bucket_image(owner, liquidation.bucket);
            let symbol = liquidation.symbol.0;
            let image = LiquidationImage { account, isolated, of, symbol, ..LiquidationImage::default() };
            match &liquidation.step {
                Step::Orders => LiquidationImage { step: 1, ..image },
                Step::Choose => LiquidationImage { step: 2, ..image },
                Step::Matching => LiquidationImage { step: 3, ..image },
                Step::Stage { value, full } => LiquidationImage {
                    step: 4,
                    a: *value as u64,
                    b: (*value >> 64) as u64,
                    c: u64::from(*full),
                    ..image
                },
                Step::Cover { symbol, side, price, rest, candidates } => LiquidationImage {
                    step: 5,
                    side: side.code(),
                    a: price.0 as u64,
                    b: *rest as u64,
                    c: u64::from(symbol.0),
                    candidates: candidates.iter().map(|&slot| self.positions.get(slot).owner.0).collect(),
                    ..image
                },
            }
        };
        self.liquidation.iter().map(image).collect()
    }

    pub(crate) fn fund_round_images(&self) -> Vec<FundRoundImage> {
        let image = |round: &FundRound| FundRoundImage {
            asset: round.asset.0,
            done: round.done.iter().map(|symbol| symbol.0).collect(),
        };
        self.fund_rounds.iter().map(image).collect()
    }

    /// Contracts and records; before orders.
    pub(crate) fn restore_contracts(&mut self, image: &Image) -> Checked<()> {
        for c in &image.contracts {
            let terms = contract_terms(c)?;
            let id = SymbolId(c.symbol);
            let symbol = known("the symbol of a contract", self.symbols.get(id))?;
            let max_price = symbol.terms.max_price;
            let marked = (0..=MAX_AMOUNT).contains(&c.mark) && (0..=MAX_AMOUNT).contains(&c.run_last);
            if symbol.terms.kind != SymbolKind::Perpetual || symbol.contract.is_some() || !marked {
                return Err(format!("the contract of symbol {id} is not consistent"));
            }
            let mut contract = Contract::new(terms, max_price, TimestampNs(c.funding_due));
            (contract.mark, contract.feed_time) = (Price(c.mark), TimestampNs(c.feed_time));
            contract.offered = TimestampNs(c.offered);
            contract.run = Run { last: Price(c.run_last), count: c.run_count };
            contract.funding_index = c.funding_index;
            contract.reduce_only = flag("reduce_only", c.reduce_only)?;
            self.symbols.at_mut(id).contract = Some(Box::new(contract));
        }
        if self.symbols.all().any(|s| (s.terms.kind == SymbolKind::Perpetual) != s.contract.is_some()) {
            return Err("perpetuals and contracts disagree".into());
        }
        if !image.positions.is_sorted_by(|a, b| (a.account, a.symbol) < (b.account, b.symbol)) {
            return Err("its positions do not rise by account and symbol".into());
        }
        for p in &image.positions {
            self.restore_position(p)?;
        }
        Ok(())
    }

    fn restore_position(&mut self, p: &PositionImage) -> Checked<()> {
        let what = format!("the position of account {} in symbol {}", p.account, p.symbol);
        let account = known(&what, self.accounts.find(AccountId(p.account)))?;
        let id = SymbolId(p.symbol);
        if !self.is_perpetual(id) {
            return Err(format!("{what} is not in a perpetual"));
        }
        let mode = known("a margin mode", MarginMode::from_code(p.mode))?;
        let k = i128::from(self.symbols.at(id).terms.k.0);
        let bounded = i128::from(p.quantity).abs() * k <= i128::from(MAX_AMOUNT) && p.cost.checked_abs().is_some();
        // Whether a flat one has margin left depends on pending work: that is checked with the invariants.
        let shaped = (p.quantity == 0) == (p.cost == 0) && p.cost.signum() == p.quantity.signum();
        let backed = mode == MarginMode::Isolated || p.margin == 0;
        // Leverage 0 is that of the symbol still: neither lots nor orders.
        let chosen = p.leverage != 0 || p.quantity == 0;
        if !chosen || p.limit < 0 || !bounded || !backed || !shaped {
            return Err(format!("{what} is not consistent"));
        }
        let slot = self.ensure_record(account, id);
        let position = self.positions.get_mut(slot);
        position.limit = p.limit;
        let state = &mut position.state;
        (state.mode, state.leverage, state.quantity) = (mode, p.leverage, p.quantity);
        (state.cost, state.margin) = (Amount(p.cost), Amount(p.margin));
        let asset = position.asset;
        self.contract_mut(id).open_interest += p.quantity.max(0);
        if mode == MarginMode::Cross && p.quantity != 0 {
            self.accounts.futures_mut(account, asset).positions += 1;
        }
        if p.quantity != 0 && !AccountId(p.account).is_system() {
            // Watched at every mark until it is looked at.
            let mut watch = core::mem::take(&mut self.contract_mut(id).watch);
            watch.set(&mut self.positions, slot, p.quantity, None);
            self.contract_mut(id).watch = watch;
        }
        Ok(())
    }

    /// What is being worked on, behind orders and pending work.
    pub(crate) fn restore_perpetual_work(&mut self, image: &Image) -> Checked<()> {
        if let Some(Task::Taker { slot }) = self.work.front().map(|work| work.task)
            && self.is_perpetual(self.orders.get(slot).symbol)
        {
            self.matching = slot;
        }
        let at_work: Vec<u32> = self
            .orders
            .slots()
            .filter(|&slot| {
                let order = self.orders.get(slot);
                let works = matches!(order.place, Place::Book | Place::Working) && order.known != NIL;
                works && order.remaining.0 > 0 && self.is_perpetual(order.symbol)
            })
            .collect();
        for slot in at_work {
            let order = self.orders.get(slot);
            let sane = (0..=MAX_AMOUNT).contains(&order.margin_price.0) && (0..=MAX_AMOUNT).contains(&order.open_loss);
            let hold = order.hold;
            if !sane || self.weight(order, order.remaining.0).is_none_or(|w| w.reserve != i128::from(hold.0)) {
                return Err(format!("the margin terms of order {} are not consistent", self.orders.get(slot).id));
            }
            self.count_in(slot);
        }
        for chore in &image.chores {
            let slot = self.record(chore.account, chore.symbol)?;
            self.chores.push_back(match chore.kind {
                1 => Chore::Trim(slot),
                2 => Chore::Margin(slot),
                _ => return Err("a chore is not known".into()),
            });
        }
        for b in &image.touched {
            let (_, bucket) = self.restore_bucket(b)?;
            let account = known("the account of a bucket", self.accounts.find(AccountId(b.account)))?;
            match bucket {
                Bucket::Cross(asset) => self.touch_wallet(account, asset),
                Bucket::Isolated(symbol) => {
                    let slot = self.record(b.account, symbol.0)?;
                    self.positions.get_mut(slot).queued = true;
                    self.touched.push(Reverse((AccountId(b.account), bucket)));
                }
            }
        }
        if let [l] = &image.liquidation[..] {
            self.liquidation = Some(self.restore_liquidation(l)?);
        } else if !image.liquidation.is_empty() {
            return Err("more than one bucket is being liquidated".into());
        }
        for round in &image.fund_rounds {
            let done = round.done.iter().map(|&symbol| SymbolId(symbol)).collect();
            self.fund_rounds.push(FundRound { asset: AssetId(round.asset), done });
        }
        Ok(())
    }

    fn record(&self, account: u32, symbol: u32) -> Checked<u32> {
        let slot = self.accounts.find(AccountId(account));
        known("a record", slot.and_then(|slot| self.accounts.position(slot, SymbolId(symbol))))
    }

    fn restore_bucket(&self, b: &BucketImage) -> Checked<(u32, Bucket)> {
        let account = known("the account of a bucket", self.accounts.find(AccountId(b.account)))?;
        if flag("isolated", b.isolated)? {
            self.record(b.account, b.of)?;
            return Ok((account, Bucket::Isolated(SymbolId(b.of))));
        }
        known("the asset of a bucket", self.symbols.asset(AssetId(b.of)))?;
        Ok((account, Bucket::Cross(AssetId(b.of))))
    }

    fn restore_liquidation(&self, l: &LiquidationImage) -> Checked<Liquidation> {
        let (account, bucket) =
            self.restore_bucket(&BucketImage { account: l.account, isolated: l.isolated, of: l.of })?;
        if l.symbol != 0 && !self.is_perpetual(SymbolId(l.symbol)) {
            return Err("the symbol of a liquidation".into());
        }
        let stage_is_pending = self.matching != NIL && self.orders.get(self.matching).known == NIL;
        let step = match l.step {
            1 => Step::Orders,
            2 => Step::Choose,
            3 if stage_is_pending => Step::Matching,
            4 if l.symbol != 0 => {
                self.record(l.account, l.symbol)?;
                Step::Stage { value: i128::from(l.a) | i128::from(l.b as i64) << 64, full: l.c == 1 }
            }
            5 if self.is_perpetual(SymbolId(l.c as u32)) => Step::Cover {
                symbol: SymbolId(l.c as u32),
                side: known("a side", Side::from_code(l.side))?,
                price: known("a price", (1..=MAX_AMOUNT as u64).contains(&l.a).then_some(Price(l.a as i64)))?,
                rest: known("lots", (0..=MAX_AMOUNT as u64).contains(&l.b).then_some(l.b as i64))?,
                candidates: l.candidates.iter().map(|&owner| self.record(owner, l.c as u32)).collect::<Checked<_>>()?,
            },
            _ => return Err("the step of a liquidation".into()),
        };
        Ok(Liquidation { account, bucket, symbol: SymbolId(l.symbol), step })
    }
}

fn contract_terms(c: &ContractImage) -> Checked<ContractTerms> {
    let mut tiers = [Tier::default(); MAX_TIERS];
    if !(1..=MAX_TIERS).contains(&c.tiers.len()) {
        return Err(format!("the tiers of symbol {}", c.symbol));
    }
    for (tier, image) in tiers.iter_mut().zip(&c.tiers) {
        *tier = Tier {
            cap: Amount(image.cap),
            rate: Rate(image.rate),
            amount: Amount(image.amount),
            max_leverage: image.max_leverage,
        };
    }
    let share = |rate: i64| (0..RATE_ONE).contains(&rate);
    let sane = tiers_fit(&tiers[..c.tiers.len()])
        && share(c.mark_jump)
        && share(c.funding_cap)
        && share(c.liquidation_fee)
        && (0..=MAX_AMOUNT).contains(&c.fund_multiple)
        && c.max_position >= 1
        && c.max_leverage >= 1
        && c.mark_confirmations >= 1;
    if !sane {
        return Err(format!("the terms of perpetual {} are out of bounds", c.symbol));
    }
    Ok(ContractTerms {
        max_position: Qty(c.max_position),
        mark_max_age: c.mark_max_age,
        mark_jump: Rate(c.mark_jump),
        funding_interval: c.funding_interval,
        funding_cap: Rate(c.funding_cap),
        liquidation_fee: Rate(c.liquidation_fee),
        fund_multiple: Rate(c.fund_multiple),
        max_leverage: c.max_leverage,
        mark_confirmations: c.mark_confirmations,
        tier_count: c.tiers.len() as u8,
        tiers,
    })
}
