//! One script for each kind of example: it is played on the engine, and what came out is compared with what was published.
//!
//! Invariants: an input or an expected number that is not understood fails; nothing is compared but numbers of the engine.

use crate::decimal::Decimal;
use crate::differences::Why;
use crate::venue::{COIN, Scale, Terms, Venue, fund, rate};
use ringbook_oracle::scenario::Desk;
use ringbook_oracle::scenario::perpetual::{HOUR, plain};
use ringbook_wire::{AssetId, Price, Qty, Side, SymbolStatus};
use serde_json::Value;

/// Inputs that describe a position.
const POSITION: &[&str] = &["mode", "side", "qty", "entry", "leverage", "mmr", "cum", "wallet", "taker_fee", "formula"];

/// A published example.
pub struct Example {
    pub id: String,
    kind: String,
    inputs: Value,
    expected: Value,
    tolerance: Decimal,
}

/// What came of one: a line for people, and the difference if there is one.
pub type Played = Result<(String, Option<Why>), String>;

impl Example {
    pub fn read(value: &Value) -> Result<Self, String> {
        let text = |key: &str| value[key].as_str().map(str::to_owned).ok_or(format!("no {key}: {value}"));
        let (inputs, expected) = (value["inputs"].clone(), value["expected"].clone());
        let tolerance = Decimal::of(&value["tolerance"]).ok_or(format!("no tolerance: {value}"))?;
        Ok(Self { id: text("id")?, kind: text("kind")?, inputs, expected, tolerance })
    }

    /// Plays it; a failed assertion panics.
    pub fn play(&self) -> Played {
        let (inputs, run): (&[&str], fn(&Self) -> Played) = match self.kind.as_str() {
            "liquidation_price" => (POSITION, Self::liquidation),
            "bankruptcy_price" => (POSITION, Self::bankruptcy),
            "funding_payment" => (&["qty", "mark", "rate", "formula"], Self::funding),
            "margin" => (&["side", "qty", "entry", "leverage", "mmr", "marks"], Self::margin),
            "adl_order" => (&["formula", "clients"], Self::adl),
            kind => return Err(format!("nothing is known of the kind {kind}")),
        };
        let given = self.inputs.as_object().ok_or("no inputs")?;
        match given.keys().find(|key| !inputs.contains(&key.as_str())) {
            Some(key) => Err(format!("the input {key} is not understood")),
            None => run(self),
        }
    }

    fn maybe(&self, key: &str) -> Result<Option<Decimal>, String> {
        let value = &self.inputs[key];
        if value.is_null() {
            return Ok(None);
        }
        Decimal::of(value).map(Some).ok_or(format!("{key} is no number"))
    }

    fn input(&self, key: &str) -> Result<Decimal, String> {
        self.maybe(key)?.ok_or(format!("no {key}"))
    }

    fn number(&self) -> Result<Decimal, String> {
        Decimal::of(&self.expected).ok_or("no expected number".to_owned())
    }

    /// The isolated position that the inputs describe.
    fn terms(&self) -> Result<Terms, String> {
        if self.inputs["mode"].as_str().is_some_and(|mode| mode != "isolated") {
            return Err("a margin mode that is not understood".to_owned());
        }
        let side = match self.inputs["side"].as_str() {
            Some("long") => Side::Buy,
            Some("short") => Side::Sell,
            _ => return Err("no side".to_owned()),
        };
        let (quantity, entry, margin) = (self.input("qty")?, self.input("entry")?, self.maybe("wallet")?);
        let leverage = match (self.maybe("leverage")?, margin) {
            (Some(leverage), None) => leverage.units(0),
            // One that needs less than this margin.
            (None, Some(margin)) => quantity.times(entry).over(margin).to_whole() + 1,
            _ => return Err("either leverage or wallet".to_owned()),
        };
        Ok(Terms {
            side,
            quantity,
            entry,
            leverage: u32::try_from(leverage).map_err(|error| error.to_string())?,
            maintenance: self.maybe("mmr")?.unwrap_or(Decimal::from_units(5, 3)),
            amount: self.maybe("cum")?.unwrap_or_default(),
            margin,
            fee: self.maybe("taker_fee")?.unwrap_or_default(),
        })
    }

    fn liquidation(&self) -> Played {
        let (terms, published) = (self.terms()?, self.number()?);
        let (ours, margin) = self.liquidated_at(&terms);
        let line = format!("liquidation price {ours}, published {published}");
        if ours.is_within(self.tolerance, published) {
            return Ok((line, None));
        }
        if terms.fee != Decimal::ZERO {
            let with_fee = Terms { maintenance: terms.maintenance + terms.fee, ..terms };
            if self.liquidated_at(&with_fee).0.is_within(self.tolerance, published) {
                return Ok((line, Some(Why::ClosingFee)));
            }
        }
        let gain = terms.quantity.times(match terms.side {
            Side::Buy => published - terms.entry,
            Side::Sell => terms.entry - published,
        });
        let of_entry = terms.maintenance.times(terms.value());
        if (margin + gain).is_within(self.tolerance.times(terms.quantity), of_entry) {
            return Ok((line, Some(Why::MaintenanceOfEntry)));
        }
        Err(format!("{line}: unexplained"))
    }

    /// The liquidation price that the engine tells, and the margin. At this mark it liquidates, one tick before it does not.
    fn liquidated_at(&self, terms: &Terms) -> (Decimal, Decimal) {
        let scale = Scale::of(terms.entry, terms.quantity, self.tolerance);
        let venue = Venue::new();
        let mut handle = venue.clone();
        let mut desk = Desk::new(&mut handle);
        let symbol = terms.open(&mut desk, scale);
        let view = venue.position(100, symbol);
        let healthier = if terms.side == Side::Buy { 1 } else { -1 };
        assert_eq!(desk.mark(symbol, view.liquidation.0 + healthier).story(), ["Mark"], "healthy");
        assert_eq!(venue.position(100, symbol).liquidation, view.liquidation, "whatever the mark");
        let stages = desk.mark(symbol, view.liquidation.0).stages();
        assert_eq!(stages.first().map(|stage| stage.account), Some(100), "liquidated");
        let tier = if terms.amount == Decimal::ZERO { 1 } else { 2 };
        assert_eq!(stages[0].tier, tier, "the tier of the example");
        (scale.price(view.liquidation), scale.money(view.margin.0.into()))
    }

    fn bankruptcy(&self) -> Played {
        let (terms, published) = (self.terms()?, self.number()?);
        let scale = Scale::of(terms.entry, terms.quantity, self.tolerance);
        let venue = Venue::new();
        let mut handle = venue.clone();
        let mut desk = Desk::new(&mut handle);
        let symbol = terms.open(&mut desk, scale);
        let told = venue.position(100, symbol).bankruptcy;
        // Nobody buys: the position is taken over at this price.
        let taken = desk.mark(symbol, told.0).taken();
        assert_eq!(taken.first().map(|taken| (taken.account, taken.price)), Some((100, told.0)));
        let ours = scale.price(told);
        let line = format!("bankruptcy price {ours}, published {published}");
        if ours.is_within(self.tolerance, published) { Ok((line, None)) } else { Err(line) }
    }

    fn funding(&self) -> Played {
        let (quantity, mark, published) = (self.input("qty")?, self.input("mark")?, self.number()?);
        let terms = Terms {
            side: Side::Buy,
            quantity,
            entry: mark,
            leverage: 1,
            maintenance: Decimal::from_units(5, 3),
            amount: Decimal::ZERO,
            margin: None,
            fee: Decimal::ZERO,
        };
        let scale = Scale { unit: 12, ..Scale::of(mark, quantity, Decimal::ZERO) };
        let mut handle = Venue::new();
        let mut desk = Desk::new(&mut handle);
        let symbol = terms.open(&mut desk, scale);
        desk.now += 8 * HOUR;
        desk.mark(symbol, mark.units(scale.tick));
        let payments = desk.funding(symbol, rate(self.input("rate")?).0, 1).payments();
        let [(100, _, long), (199, _, short)] = payments[..] else { panic!("{payments:?}") };
        let ours = scale.money(long.into());
        let line = format!("the long pays {ours}, the short {}; published {published}", scale.money(short.into()));
        let shorts = Decimal::ZERO - scale.money(short.into());
        let equal = [ours, shorts].iter().all(|payment| payment.is_within(self.tolerance, published));
        if equal { Ok((line, None)) } else { Err(line) }
    }

    /// Margins at entry; gain, equity and liquidation at each mark, from the same position.
    fn margin(&self) -> Played {
        let terms = self.terms()?;
        let scale = Scale::of(terms.entry, terms.quantity, Decimal::ZERO);
        let numbers = |value: &Value| -> Option<Vec<Decimal>> { value.as_array()?.iter().map(Decimal::of).collect() };
        let marks = numbers(&self.inputs["marks"]).ok_or("no marks")?;
        let (mut initial, mut at_entry) = (Decimal::ZERO, Decimal::ZERO);
        let (mut unrealised, mut remaining, mut liquidated) = (Vec::new(), Vec::new(), Vec::new());
        for mark in &marks {
            let venue = Venue::new();
            let mut handle = venue.clone();
            let mut desk = Desk::new(&mut handle);
            let symbol = terms.open(&mut desk, scale);
            let view = venue.position(100, symbol);
            (initial, at_entry) = (scale.money(view.margin.0.into()), scale.money(view.maintenance));
            // Halted, it is marked and not liquidated; open again, it is.
            desk.status(symbol, SymbolStatus::Halted);
            desk.mark(symbol, mark.units(scale.tick));
            let view = venue.position(100, symbol);
            unrealised.push(scale.money(view.unrealized));
            remaining.push(scale.money(i128::from(view.margin.0) + view.unrealized));
            let stages = desk.status(symbol, SymbolStatus::Trading).stages();
            let ends = stages.iter().any(|stage| stage.account == 100);
            assert_eq!(ends, *mark <= scale.price(view.liquidation), "as the liquidation price of a long says");
            liquidated.push(ends);
        }
        let published = self.expected.as_object().ok_or("nothing is expected")?;
        let mut line = Vec::new();
        for (key, value) in published {
            let ours = match key.as_str() {
                "notional" => vec![terms.value()],
                "initial_margin" => vec![initial],
                "maintenance_margin" => vec![at_entry],
                "unrealised" => unrealised.clone(),
                "remaining_margin" => remaining.clone(),
                "liquidated" => {
                    let told: Option<Vec<bool>> =
                        value.as_array().and_then(|all| all.iter().map(Value::as_bool).collect());
                    if told.as_ref() != Some(&liquidated) {
                        return Err(format!("liquidated: {liquidated:?}, published {value}"));
                    }
                    continue;
                }
                key => return Err(format!("the expected {key} is not understood")),
            };
            let told = Decimal::of(value).map(|one| vec![one]).or_else(|| numbers(value)).ok_or("no numbers")?;
            let near = |(ours, told): (&Decimal, &Decimal)| ours.is_within(self.tolerance, *told);
            if ours.len() != told.len() || !ours.iter().zip(&told).all(near) {
                return Err(format!("{key}: {ours:?}, published {value}"));
            }
            line.push(format!("{key} {}", ours.iter().map(Decimal::to_string).collect::<Vec<_>>().join(" ")));
        }
        Ok((line.join(", "), None))
    }

    /// Clients with one lot each and the given profit and effective leverage; a short of as many lots is taken over.
    fn adl(&self) -> Played {
        let clients = self.inputs["clients"].as_array().ok_or("no clients")?;
        let field = |client: &Value, key: &str| Decimal::of(&client[key]).ok_or(format!("no {key}"));
        // Prices of 13 digits, so that entries and wallets are exact enough for the tolerance.
        const MARK: i64 = 1_000_000_000_000;
        const FALL: i64 = 1_000;
        let whole = Decimal::from_units(MARK.into(), 0);
        let one = Decimal::from_units(1, 0);
        let (count, victim, other) = (clients.len() as i64, 100, 199);
        let venue = Venue::new();
        let mut handle = venue.clone();
        let mut desk = Desk::new(&mut handle);
        desk.asset(COIN, "COIN", 8);
        let mut contract = |largest: i64, price: i64| {
            desk.perpetual(|message| {
                *message = plain(message.symbol.0);
                (message.quote, message.base_lot) = (AssetId(COIN), ringbook_wire::Amount(1));
                message.quote_per_tick_lot = ringbook_wire::Amount(1);
                (message.max_price, message.max_position) = (Price(price), Qty(largest));
                (message.max_quantity, message.max_market_quantity) = (Qty(largest), Qty(largest));
            })
        };
        // Each loses as much in the second as it needs to have its leverage: 2 values of the first.
        let burden = 2 * MARK / FALL;
        let (first, second) = (contract(2 * count, 2 * MARK), contract(2 * count * burden, 2 * FALL));
        for account in [victim, other] {
            desk.account(account, 0);
            fund(&mut desk, account, 10 * count * MARK);
        }
        desk.mark(second, FALL + 1);
        desk.isolate(victim, first, 50);
        let mut accounts = Vec::new();
        for client in clients {
            let account = 100 + u32::try_from(field(client, "client")?.units(0)).expect("a small number");
            let (gain, leverage) = (field(client, "pnl")?, field(client, "leverage")?);
            let entry = whole.over(one + gain).to_whole();
            let wallet = whole.over(leverage).to_whole() - (MARK - entry) + burden * FALL;
            desk.account(account, 0);
            fund(&mut desk, account, wallet);
            desk.mark(first, entry);
            desk.long(account, victim, first, entry, 1);
            if accounts.is_empty() {
                assert_eq!(desk.add_margin(victim, first, 5 * count * MARK).story(), ["Transfer"]);
            }
            desk.long(account, other, second, FALL + 1, burden);
            accounts.push(account);
        }
        // At the mark the victim is to have 0.5 % of equity, which is below its 1 % of maintenance margin.
        desk.mark(first, MARK - MARK / 50);
        let (_, cost, margin) = desk.position(victim, first);
        let left = count * MARK + cost + count * MARK / 200;
        assert_eq!(desk.remove_margin(victim, first, margin - left).story(), ["Transfer"]);
        desk.status(first, SymbolStatus::Halted);
        desk.mark(first, MARK);
        assert_eq!(desk.mark(second, 1).story(), ["Mark"], "nobody is liquidated yet");
        let rank = |&account: &u32| {
            let (view, equity) = (venue.position(account, first), venue.margin(account).equity);
            let share = |part: i128, of: i128| Decimal::from_units(part, 0).over(Decimal::from_units(of, 0));
            share(view.unrealized, view.cost.0.into()).times(share(MARK.into(), equity))
        };
        let ranks: Vec<Decimal> = accounts.iter().map(rank).collect();
        let outcome = desk.status(first, SymbolStatus::Trading);
        assert_eq!(outcome.taken().first().map(|taken| (taken.account, taken.fund)), Some((victim, 0)));
        let closed: Vec<u32> = outcome.adls().iter().map(|adl| adl.0).collect();
        let place = |account: &u32| closed.iter().position(|of| of == account).map(|at| at as i128 + 1);
        let order: Option<Vec<i128>> = accounts.iter().map(place).collect();
        let order = order.ok_or("not all were closed")?;

        let published = self.expected.as_object().ok_or("nothing is expected")?;
        for (key, value) in published {
            let told: Option<Vec<Decimal>> = value.as_array().and_then(|all| all.iter().map(Decimal::of).collect());
            let told = told.ok_or("no numbers")?;
            let ours: Vec<Decimal> = match key.as_str() {
                "rank" => ranks.clone(),
                "order" => order.iter().map(|&place| Decimal::from_units(place, 0)).collect(),
                key => return Err(format!("the expected {key} is not understood")),
            };
            let near = |(ours, told): (&Decimal, &Decimal)| ours.is_within(self.tolerance, *told);
            if ours.len() != told.len() || !ours.iter().zip(&told).all(near) {
                return Err(format!("{key}: {ours:?}, published {value}"));
            }
        }
        Ok((format!("{count} positions closed, places {order:?}"), None))
    }
}
