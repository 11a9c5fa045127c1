//! The state as sorted vectors of plain structs: what a snapshot archives, and what the state hash is taken over.
//!
//! Invariants:
//! 1. Two engines that behave alike from here on have equal images: slots, table positions and caches are not in it.
//! 2. The canonical encoding writes every field little-endian at its full width, and a count before every vector, in the
//!    order of the structs below. It does not depend on rkyv, so the hash survives a change of the archive.
//! 3. A change of these structs raises [`SCHEMA`]; older schemas are converted forward by `ringbook-snapshot`.

use crate::dedupe::{Outcome, Request};
use crate::engine::Engine;
use crate::orders::{NIL, Place};
use crate::pending::Task;
use ringbook_wire::{ClientOrderId, TimestampNs};

/// Version of the structs below.
pub const SCHEMA: u32 = 1;

/// Defines an image struct with its archive and its canonical encoding.
macro_rules! images {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
            #[expect(missing_docs, reason = "the fields are those of the state, in raw units")]
            pub struct $name {
                $(pub $field: $type,)*
            }

            impl Canonical for $name {
                fn encode(&self, out: &mut blake3::Hasher) {
                    $(self.$field.encode(out);)*
                }
            }
        )+
    };
}

/// Canonical encoding into a hash.
trait Canonical {
    fn encode(&self, out: &mut blake3::Hasher);
}

macro_rules! canonical_numbers {
    ($($type:ty)*) => {$(
        impl Canonical for $type {
            fn encode(&self, out: &mut blake3::Hasher) {
                out.update(&self.to_le_bytes());
            }
        }
    )*};
}
canonical_numbers! { u8 u16 u32 u64 i64 }

impl<const N: usize> Canonical for [u8; N] {
    fn encode(&self, out: &mut blake3::Hasher) {
        out.update(self);
    }
}

impl Canonical for [u64; 2] {
    fn encode(&self, out: &mut blake3::Hasher) {
        self[0].encode(out);
        self[1].encode(out);
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn encode(&self, out: &mut blake3::Hasher) {
        (self.len() as u64).encode(out);
        for item in self {
            item.encode(out);
        }
    }
}

images! {
    /// The whole state after `sequence`.
    Image {
        sequence: u64,
        time: u64,
        seed: [u64; 2],
        rules: u32,
        shard: u32,
        dedupe_capacity: u32,
        max_event_bytes: u32,
        max_orders: u32,
        next_order: u64,
        next_trade: u64,
        next_queue: u64,
        maintenance: u8,
        busted: Vec<u64>,
        assets: Vec<AssetImage>,
        symbols: Vec<SymbolImage>,
        accounts: Vec<AccountImage>,
        keys: Vec<KeyImage>,
        orders: Vec<OrderImage>,
        ring: Vec<RingImage>,
        work: Vec<WorkImage>,
        fired: Vec<u64>,
        contracts: Vec<ContractImage>,
        positions: Vec<PositionImage>,
        chores: Vec<ChoreImage>,
        touched: Vec<BucketImage>,
        liquidation: Vec<LiquidationImage>,
        fund_rounds: Vec<FundRoundImage>,
    }
    /// An asset; by id.
    AssetImage { asset: u32, scale: u8, name: [u8; 16], }
    /// A symbol; by id.
    SymbolImage {
        symbol: u32,
        base: u32,
        quote: u32,
        kind: u8,
        fee_model: u8,
        stp: u8,
        status: u8,
        fee_group: u16,
        name: [u8; 24],
        base_lot: i64,
        k: i64,
        min_price: i64,
        max_price: i64,
        min_quantity: i64,
        max_quantity: i64,
        max_market_quantity: i64,
        min_notional: i64,
        max_notional: i64,
        band: i64,
        slip: i64,
        taker: i64,
        maker: i64,
        max_open_orders: u32,
        max_trigger_orders: u32,
        last: i64,
    }
    /// An account with its wallets; by id.
    AccountImage {
        account: u32,
        group: u32,
        suspended: u8,
        evicted: u64,
        adjustment: u64,
        adjustment_payload: u64,
        adjustment_code: u16,
        balances: Vec<BalanceImage>,
        fees: Vec<OwnFeesImage>,
        futures: Vec<FuturesImage>,
    }
    /// An account's own fee rates; by fee group.
    OwnFeesImage { group: u16, taker: i64, maker: i64, }
    /// A futures wallet; by asset.
    FuturesImage { asset: u32, amount: i64, }
    /// What a perpetual has beyond a spot symbol; by symbol.
    ContractImage {
        symbol: u32,
        max_position: i64,
        mark_max_age: u64,
        mark_jump: i64,
        funding_interval: u64,
        funding_cap: i64,
        liquidation_fee: i64,
        fund_multiple: i64,
        max_leverage: u32,
        mark_confirmations: u16,
        reduce_only: u8,
        tiers: Vec<TierImage>,
        mark: i64,
        feed_time: u64,
        offered: u64,
        run_last: i64,
        run_count: u16,
        funding_index: u64,
        funding_due: u64,
    }
    /// A tier; by cap.
    TierImage { cap: i64, rate: i64, amount: i64, max_leverage: u32, }
    /// An account's record in a perpetual; by account and symbol.
    PositionImage {
        account: u32,
        symbol: u32,
        mode: u8,
        leverage: u32,
        quantity: i64,
        cost: i64,
        margin: i64,
        limit: i64,
    }
    /// What a position has left to do. `kind`: 1 trim, 2 margin test.
    ChoreImage { kind: u8, account: u32, symbol: u32, }
    /// A bucket to be tested, in the order in which they are; `isolated`: `of` is a symbol, else an asset.
    BucketImage { account: u32, isolated: u8, of: u32, }
    /// The bucket that is being liquidated. `step`: 1 orders, 2 choose, 3 matching, 4 stage (`a` and `b` low and high half of
    /// the value, `c` full), 5 cover (`side`, `a` price, `b` rest, `c` symbol, candidates by account, next one last).
    LiquidationImage {
        account: u32,
        isolated: u8,
        of: u32,
        symbol: u32,
        step: u8,
        side: u8,
        a: u64,
        b: u64,
        c: u64,
        candidates: Vec<u32>,
    }
    /// The fund's own ADL that is due; by asset.
    FundRoundImage { asset: u32, done: Vec<u32>, }
    /// A wallet; by asset.
    BalanceImage { asset: u32, available: i64, held: i64, }
    /// A key; by id.
    KeyImage { key: u32, role: u8, revoked: u8, first_account: u32, last_account: u32, public_key: [u8; 32], }
    /// An open order; by id.
    OrderImage {
        order: u64,
        client_id: [u64; 2],
        account: u32,
        symbol: u32,
        side: u8,
        order_type: u8,
        time_in_force: u8,
        stp: u8,
        flags: u16,
        place: u8,
        listed: u8,
        fee_model: u8,
        taker: i64,
        maker: i64,
        price: i64,
        quantity: i64,
        remaining: i64,
        filled: i64,
        prevented: i64,
        cut: i64,
        hold: i64,
        carry: i64,
        cost: i64,
        fee: i64,
        send_time: u64,
        session: u64,
        payload: u64,
        accepted: u64,
        queue_sequence: u64,
        by_budget: u8,
        trigger_direction: u8,
        trigger: i64,
        display: i64,
        shown: i64,
        expire_at: u64,
        margin_price: i64,
        open_loss: i64,
        by_mark: u8,
    }
    /// An entry of the dedupe ring; oldest first.
    RingImage {
        client_id: [u64; 2],
        account: u32,
        payload: u64,
        order: u64,
        sequence: u64,
        filled: i64,
        remaining: i64,
        cost: i64,
        fee: i64,
        send_time: u64,
        code: u16,
        state: u8,
        reason: u8,
    }
    /// Pending work; first first. `task`: 1 taker (`a` order), 2 cancel-all (`a` account, `b` only symbol, `c` next
    /// symbol, `e` before, `side`), 3 session (`a` session, `e` before), 4 expire (`a` until), 5 loop (`a` 1
    /// between buckets), 6 uncross (`a` symbol, `b` price, `c` and `d` low and high half of the volume left), 7 close (`a` symbol,
    /// `b` settlement price or 0), 8 funding (`a` symbol, `b` rate, `c` from account), 9 settlement (`a` symbol, `b` price, `c` from
    /// account).
    WorkImage {
        session: u64,
        key: u32,
        request: u32,
        kind: u8,
        sequence: u64,
        task: u8,
        side: u8,
        a: u64,
        b: u64,
        c: u64,
        d: u64,
        e: u64,
    }
}

impl Image {
    /// BLAKE3 over the canonical encoding.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"ringbook state 1");
        self.encode(&mut hasher);
        *hasher.finalize().as_bytes()
    }
}

impl Engine {
    /// BLAKE3 over the canonical encoding of the state. Never called on the engine's own thread.
    pub fn state_hash(&self) -> [u8; 32] {
        self.image().state_hash()
    }

    /// The state as plain structs.
    pub fn image(&self) -> Image {
        let settings = self.settings;
        Image {
            sequence: self.sequence.0,
            time: self.time.0,
            seed: settings.seed,
            rules: settings.rules,
            shard: settings.shard,
            dedupe_capacity: settings.dedupe_capacity,
            max_event_bytes: settings.max_event_bytes,
            max_orders: settings.max_orders,
            next_order: self.next_order,
            next_trade: self.next_trade,
            next_queue: self.next_queue,
            maintenance: u8::from(self.maintenance),
            busted: self.busted.iter().copied().collect(),
            assets: self
                .symbols
                .assets()
                .map(|(id, asset)| AssetImage { asset: id.0, scale: asset.scale, name: asset.name })
                .collect(),
            symbols: self.symbols.all().map(symbol_image).collect(),
            accounts: self.account_images(),
            keys: self
                .keys
                .all()
                .map(|(id, key)| KeyImage {
                    key: id.0,
                    role: key.role.code(),
                    revoked: u8::from(key.revoked),
                    first_account: key.first_account.0,
                    last_account: key.last_account.0,
                    public_key: key.public_key,
                })
                .collect(),
            orders: self.order_images(),
            ring: self.dedupe.entries().map(|(request, outcome)| self.ring_image(request, outcome)).collect(),
            work: self.work.iter().map(|work| self.work_image(work)).collect(),
            fired: self.fired.iter().map(|&slot| self.orders.get(slot).id.0).collect(),
            contracts: self.contract_images(),
            positions: self.position_images(),
            chores: self.chore_images(),
            touched: self.bucket_images(),
            liquidation: self.liquidation_images(),
            fund_rounds: self.fund_round_images(),
        }
    }

    fn account_images(&self) -> Vec<AccountImage> {
        let mut images: Vec<AccountImage> = self
            .accounts
            .all()
            .iter()
            .map(|account| AccountImage {
                account: account.id.0,
                group: account.group,
                suspended: u8::from(account.suspended),
                evicted: account.dedupe.evicted.0,
                adjustment: account.adjustment.number,
                adjustment_payload: account.adjustment.payload,
                adjustment_code: account.adjustment.code,
                balances: account
                    .balances
                    .iter()
                    .map(|b| BalanceImage { asset: b.asset.0, available: b.available.0, held: b.held.0 })
                    .collect(),
                futures: account
                    .futures
                    .iter()
                    .map(|wallet| FuturesImage { asset: wallet.asset.0, amount: wallet.amount.0 })
                    .collect(),
                fees: account
                    .fees
                    .iter()
                    .map(|own| OwnFeesImage { group: own.group, taker: own.taker, maker: own.maker })
                    .collect(),
            })
            .collect();
        images.sort_unstable_by_key(|image| image.account);
        images
    }

    fn order_images(&self) -> Vec<OrderImage> {
        let mut images: Vec<OrderImage> = self
            .orders
            .slots()
            .map(|slot| {
                let order = self.orders.get(slot);
                // The order of a liquidation's stage has no client.
                let of_client = (order.known != NIL).then(|| self.dedupe.request(order.known));
                let request = of_client.unwrap_or(Request {
                    client_id: ClientOrderId::NONE,
                    payload: 0,
                    order: order.id,
                    send_time: TimestampNs(0),
                    account: order.account,
                });
                OrderImage {
                    order: order.id.0,
                    client_id: request.client_id.0,
                    account: self.accounts.get(order.account).id.0,
                    symbol: order.symbol.0,
                    side: order.side.code(),
                    order_type: order.order_type.code(),
                    time_in_force: order.time_in_force.code(),
                    stp: order.stp.code(),
                    flags: order.flags,
                    place: order.place as u8,
                    listed: u8::from(order.listed),
                    fee_model: order.terms.model.code(),
                    taker: order.terms.taker,
                    maker: order.terms.maker,
                    price: order.price.0,
                    quantity: order.quantity.0,
                    remaining: order.remaining.0,
                    filled: order.filled.0,
                    prevented: order.prevented.0,
                    cut: order.cut.0,
                    hold: order.hold.0,
                    carry: order.carry,
                    cost: order.cost.0,
                    fee: order.fee.0,
                    send_time: request.send_time.0,
                    session: order.session.0,
                    payload: request.payload,
                    accepted: order.accepted.0,
                    queue_sequence: order.queue_sequence,
                    by_budget: u8::from(order.by_budget),
                    trigger_direction: order.direction.map_or(0, |direction| direction.code()),
                    trigger: order.trigger.0,
                    display: order.display.0,
                    // Only the book knows slices.
                    shown: if order.place == Place::Book { order.shown.0 } else { 0 },
                    expire_at: order.expire_at.0,
                    margin_price: order.margin_price.0,
                    open_loss: order.open_loss,
                    by_mark: u8::from(order.by_mark),
                }
            })
            .collect();
        images.sort_unstable_by_key(|image| image.order);
        images
    }

    fn ring_image(&self, request: Request, outcome: &Outcome) -> RingImage {
        RingImage {
            client_id: request.client_id.0,
            account: self.accounts.get(request.account).id.0,
            payload: request.payload,
            order: request.order.0,
            sequence: outcome.sequence.0,
            filled: outcome.filled.0,
            remaining: outcome.remaining.0,
            cost: outcome.cost.0,
            fee: outcome.fee.0,
            send_time: request.send_time.0,
            code: outcome.code,
            state: outcome.state.code(),
            reason: outcome.reason.map_or(0, |reason| reason.code()),
        }
    }

    fn work_image(&self, work: &crate::pending::Work) -> WorkImage {
        let cause = work.cause;
        let image = WorkImage {
            session: cause.origin.session.0,
            key: cause.origin.key.0,
            request: cause.request,
            kind: cause.kind as u8,
            sequence: cause.sequence.0,
            ..WorkImage::default()
        };
        match work.task {
            Task::Taker { slot } => WorkImage { task: 1, a: self.orders.get(slot).id.0, ..image },
            Task::CancelAll { account, only, side, symbol, before } => WorkImage {
                task: 2,
                side: side.map_or(0, |side| side.code()),
                a: u64::from(self.accounts.get(account).id.0),
                b: only.map_or(0, |only| u64::from(only.0)),
                c: u64::from(symbol.0),
                e: before.0,
                ..image
            },
            Task::Session { session, before } => WorkImage { task: 3, a: session.0, e: before.0, ..image },
            Task::Expire { until } => WorkImage { task: 4, a: until.0, ..image },
            Task::Loop { between } => WorkImage { task: 5, a: u64::from(between), ..image },
            Task::Uncross { symbol, price, left } => WorkImage {
                task: 6,
                a: u64::from(symbol.0),
                b: price.0 as u64,
                c: left as u64,
                d: (left >> 64) as u64,
                ..image
            },
            Task::Close { symbol, settle } => {
                let price = settle.map_or(0, |price| price.0 as u64);
                WorkImage { task: 7, a: u64::from(symbol.0), b: price, ..image }
            }
            Task::Fund { symbol, rate, from } => {
                let (a, b, c) = (u64::from(symbol.0), rate.0 as u64, u64::from(from.0));
                WorkImage { task: 8, a, b, c, ..image }
            }
            Task::Settle { symbol, price, from } => {
                let (a, b, c) = (u64::from(symbol.0), price.0 as u64, u64::from(from.0));
                WorkImage { task: 9, a, b, c, ..image }
            }
        }
    }
}

fn symbol_image(symbol: &crate::symbols::Symbol) -> SymbolImage {
    let terms = &symbol.terms;
    SymbolImage {
        symbol: symbol.id.0,
        base: terms.base.0,
        quote: terms.quote.0,
        kind: terms.kind.code(),
        fee_model: terms.fees.model.code(),
        stp: terms.stp.code(),
        status: symbol.status.code(),
        fee_group: terms.fee_group,
        name: terms.name,
        base_lot: terms.base_lot.0,
        k: terms.k.0,
        min_price: terms.min_price.0,
        max_price: terms.max_price.0,
        min_quantity: terms.min_quantity.0,
        max_quantity: terms.max_quantity.0,
        max_market_quantity: terms.max_market_quantity.0,
        min_notional: terms.min_notional.0,
        max_notional: terms.max_notional.0,
        band: terms.band.0,
        slip: terms.slip.0,
        taker: terms.fees.taker,
        maker: terms.fees.maker,
        max_open_orders: terms.max_open_orders,
        max_trigger_orders: terms.max_trigger_orders,
        last: symbol.last.0,
    }
}
