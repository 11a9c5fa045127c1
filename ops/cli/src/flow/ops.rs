//! Recorded order flow: one operation per line, with what the venue's own records say must come of it.
//!
//! ```text
//! seq,row,ts,op,id,side,price,qty,maker
//! ```
//!
//! `id` is a tag that may come back after its order is gone. `maker` lists the expected fills as `tag:qty:price|…`.
//! ROW, BBO and BOOK are not commands but books to compare: of another file, in `price`/`maker`, and in the same with
//! `qty` levels.
//!
//! Invariant: a line that cannot be understood is an error with its number, never skipped.

use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What to do, or which book to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Limit GTC that must not trade.
    Add,
    /// Cancel; exactly `quantity` must have been left.
    Cancel,
    /// Reduce by `quantity`; keeps its place.
    Reduce,
    /// Cancel and enter anew, at the back.
    Replace,
    /// Limit IOC with exactly the expected fills.
    Execute,
    /// Limit GTC with exactly the expected fills; the rest rests.
    Aggress,
    /// Market.
    Market,
    /// Post-only that must be refused.
    PostOnly,
    /// Limit IOC that must not trade.
    Immediate,
    /// Limit GTC whose fills are not checked.
    Unverified,
    /// Make the tag have exactly `quantity` left.
    Set,
    /// The top of the book of row `row` of the order book file.
    Row,
    /// Best bid and ask.
    Best,
    /// Top `quantity` levels.
    Book,
}

impl Kind {
    /// All of them with their names in files.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Add, "ADD"),
        (Self::Cancel, "CXL"),
        (Self::Reduce, "RED"),
        (Self::Replace, "REP"),
        (Self::Execute, "EXE"),
        (Self::Aggress, "AGG"),
        (Self::Market, "MKT"),
        (Self::PostOnly, "PST"),
        (Self::Immediate, "IOC"),
        (Self::Unverified, "UNV"),
        (Self::Set, "SET"),
        (Self::Row, "ROW"),
        (Self::Best, "BBO"),
        (Self::Book, "BOOK"),
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("?", |(_, name)| name)
    }

    /// Whether it compares a book.
    pub fn is_book(self) -> bool {
        matches!(self, Self::Row | Self::Best | Self::Book)
    }

    /// Whether it enters an order (SET may).
    pub fn enters(self) -> bool {
        !self.is_book() && !matches!(self, Self::Cancel | Self::Reduce)
    }
}

/// A fill as the maker's side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Tag of the resting order.
    pub tag: u64,
    /// Lots.
    pub quantity: i64,
    /// Ticks.
    pub price: i64,
}

/// Levels `(price, quantity)` of both sides, best first, at most `depth` of each.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Levels {
    /// How many levels to ask for.
    pub depth: usize,
    /// Bids.
    pub bids: Vec<(i64, i64)>,
    /// Asks.
    pub asks: Vec<(i64, i64)>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Op {
    /// Line of the file, from 1.
    pub line: usize,
    /// What.
    pub kind: Kind,
    /// Whose order.
    pub tag: u64,
    /// Whether it buys.
    pub buy: bool,
    /// Ticks.
    pub price: i64,
    /// Lots.
    pub quantity: i64,
    /// Expected fills.
    pub fills: Vec<Fill>,
    /// Expected book; `None` for ROW without an order book file.
    pub book: Option<Box<Levels>>,
}

/// A whole flow and its bounds.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// Its lines.
    pub ops: Vec<Op>,
    /// Lowest price of an order.
    pub min_price: i64,
    /// Highest price of an order.
    pub max_price: i64,
    /// Largest quantity.
    pub max_quantity: i64,
    /// Expected fills in all.
    pub fills: u64,
    /// ROW lines without an order book file.
    pub books_skipped: u64,
}

impl Flow {
    /// Adds a line and widens the bounds.
    pub fn push(&mut self, op: Op) {
        if op.kind.enters() {
            // A market order has no price of its own.
            if op.kind != Kind::Market && op.price > 0 {
                self.min_price = if self.min_price == 0 { op.price } else { self.min_price.min(op.price) };
                self.max_price = self.max_price.max(op.price);
            }
            self.max_quantity = self.max_quantity.max(op.quantity);
        }
        self.fills += op.fills.len() as u64;
        self.books_skipped += u64::from(op.kind == Kind::Row && op.book.is_none());
        self.ops.push(op);
    }

    /// Reads a flow, and the order book file that its ROW lines refer to.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is not one; in words, with its number.
    pub fn load(path: &Path, orderbook: Option<&Path>) -> Result<Self, String> {
        let mut rows = orderbook.map(Rows::open).transpose()?;
        let mut flow = Self::default();
        for (number, line) in open(path)?.lines().enumerate() {
            let line = line.map_err(|error| format!("{}, line {}: {error}", path.display(), number + 1))?;
            let line = line.trim_end();
            if line.is_empty() || number == 0 && line.starts_with("seq,") {
                continue;
            }
            let op = parse_line(line, number + 1, rows.as_mut())
                .map_err(|problem| format!("{}, line {}: {problem}", path.display(), number + 1))?;
            flow.push(op);
        }
        if flow.ops.iter().all(|op| op.kind.is_book()) {
            return Err(format!("{} holds no commands; it must be an OPS file (seq,row,ts,op,…)", path.display()));
        }
        Ok(flow)
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    let file = File::open(path)
        .map_err(|error| format!("cannot open {}: {error}; give the path of a .csv or .csv.gz file", path.display()))?;
    let gz = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if gz { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    Ok(Box::new(BufReader::with_capacity(1 << 16, reader)))
}

fn parse_line(line: &str, number: usize, rows: Option<&mut Rows>) -> Result<Op, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let &[_, row, _, op, tag, side, price, quantity, maker] = fields.as_slice() else {
        return Err(format!("{} fields instead of 9 (seq,row,ts,op,id,side,price,qty,maker)", fields.len()));
    };
    let kind = Kind::ALL
        .iter()
        .find(|(_, name)| *name == op)
        .map(|(kind, _)| *kind)
        .ok_or_else(|| format!("unknown operation {op:?}"))?;
    let number_of = |name: &str, text: &str| -> Result<i64, String> {
        if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| format!("{name} {text:?} is not a number")) }
    };
    let mut result = Op {
        line: number,
        kind,
        tag: 0,
        buy: side == "B",
        price: 0,
        quantity: number_of("qty", quantity)?,
        fills: Vec::new(),
        book: None,
    };
    match kind {
        Kind::Best | Kind::Book => {
            let depth = if kind == Kind::Best { 1 } else { usize::try_from(result.quantity).unwrap_or(0) };
            result.book = Some(Box::new(Levels { depth, bids: parse_levels(price)?, asks: parse_levels(maker)? }));
        }
        Kind::Row => {
            let row = row.parse().map_err(|_| format!("row {row:?} is not a number from 0"))?;
            result.book = rows.map(|rows| rows.get(row)).transpose()?.map(Box::new);
        }
        _ => {
            if !matches!(side, "B" | "S") {
                return Err(format!("side {side:?} is neither B nor S"));
            }
            result.tag = tag.parse().map_err(|_| format!("id {tag:?} is not a number"))?;
            result.price = number_of("price", price)?;
            result.fills = parse_fills(maker)?;
            if kind.enters() && kind != Kind::Market && result.price < 1 {
                return Err(format!("{op} needs a price from 1"));
            }
            if result.quantity < i64::from(kind != Kind::Set) {
                return Err(format!("{op} needs a quantity from 1"));
            }
        }
    }
    Ok(result)
}

fn numbers<const N: usize>(text: &str) -> Result<[i64; N], String> {
    let mut parts = text.split(':');
    let mut out = [0; N];
    for place in &mut out {
        *place = parts
            .next()
            .and_then(|part| part.parse().ok())
            .ok_or_else(|| format!("{text:?} is not {N} numbers with colons"))?;
    }
    if parts.next().is_some() {
        return Err(format!("{text:?} is not {N} numbers with colons"));
    }
    Ok(out)
}

fn parse_levels(text: &str) -> Result<Vec<(i64, i64)>, String> {
    let levels = text.split('|').filter(|part| !part.is_empty());
    levels.map(|part| numbers::<2>(part).map(|[price, quantity]| (price, quantity))).collect()
}

fn parse_fills(text: &str) -> Result<Vec<Fill>, String> {
    let fills = text.split('|').filter(|part| !part.is_empty());
    fills
        .map(|part| {
            let [tag, quantity, price] = numbers::<3>(part)?;
            Ok(Fill { tag: tag.unsigned_abs(), quantity, price })
        })
        .collect()
}

/// Price of an empty level in an order book file.
const EMPTY_LEVEL: i64 = 9_999_999_999;

/// The order book file: row i is the book after message i, `ask price, ask size, bid price, bid size, …`.
struct Rows {
    lines: std::iter::Enumerate<std::io::Lines<Box<dyn BufRead>>>,
    name: String,
    next: usize,
    levels: Levels,
}

impl Rows {
    fn open(path: &Path) -> Result<Self, String> {
        let lines = open(path)?.lines().enumerate();
        Ok(Self { lines, name: path.display().to_string(), next: 0, levels: Levels::default() })
    }

    /// Row `row`; rows are asked for in rising order.
    fn get(&mut self, row: usize) -> Result<Levels, String> {
        let mut found = None;
        while self.next <= row {
            let (_, line) = self.lines.next().ok_or_else(|| format!("{} has no row {row}", self.name))?;
            found = Some(line.map_err(|error| format!("{}, row {}: {error}", self.name, self.next))?);
            self.next += 1;
        }
        if let Some(line) = found {
            self.levels = parse_row(&line).map_err(|problem| format!("{}, row {row}: {problem}", self.name))?;
        }
        Ok(self.levels.clone())
    }
}

fn parse_row(line: &str) -> Result<Levels, String> {
    let values: Vec<i64> = line
        .trim_end()
        .split(',')
        .map(|value| value.parse().map_err(|_| format!("{value:?} is not a number")))
        .collect::<Result<_, _>>()?;
    if values.is_empty() || !values.len().is_multiple_of(4) {
        return Err(format!("{} numbers are no levels of four", values.len()));
    }
    let side = |from: usize| {
        values
            .chunks_exact(4)
            .map(|level| (level[from], level[from + 1]))
            .filter(|(price, _)| price.abs() != EMPTY_LEVEL)
            .collect()
    };
    Ok(Levels { depth: values.len() / 4, asks: side(0), bids: side(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused_with_the_reason() {
        for (line, expected) in [
            ("1,-1,0,ADD,7,B,100,5,", Ok((Kind::Add, 7, 100, 5, 0))),
            ("1,0,0,EXE,8,S,99,5,7:3:100|9:2:99", Ok((Kind::Execute, 8, 99, 5, 2))),
            ("1,0,0,MKT,8,S,,5,", Ok((Kind::Market, 8, 0, 5, 0))),
            ("1,0,0,SET,8,S,99,0,", Ok((Kind::Set, 8, 99, 0, 0))),
            ("1,0,0,BBO,,,19200:4,,", Ok((Kind::Best, 0, 0, 0, 0))),
            ("1,0,0,ADD,7,B,100,5", Err("8 fields")),
            ("1,0,0,ADX,7,B,100,5,", Err("unknown operation")),
            ("1,0,0,ADD,7,X,100,5,", Err("side")),
            ("1,0,0,ADD,x,B,100,5,", Err("id")),
            ("1,0,0,ADD,7,B,0,5,", Err("price")),
            ("1,0,0,ADD,7,B,10,0,", Err("quantity")),
            ("1,0,0,EXE,7,B,10,1,4:5", Err("3 numbers")),
            ("1,0,0,BOOK,,,1:2:3,5,", Err("2 numbers")),
        ] {
            match (parse_line(line, 1, None), expected) {
                (Ok(op), Ok(expected)) => {
                    assert_eq!((op.kind, op.tag, op.price, op.quantity, op.fills.len()), expected, "{line}");
                }
                (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{line}: {problem}"),
                (got, _) => panic!("{line}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_row_keeps_its_depth_where_levels_are_empty() {
        let levels = parse_row("101,5,100,7,102,1,-9999999999,0").unwrap();
        assert_eq!(levels, Levels { depth: 2, bids: vec![(100, 7)], asks: vec![(101, 5), (102, 1)] });
        assert!(parse_row("1,2,3").is_err());
    }

    #[test]
    fn a_missing_file_says_what_to_give() {
        let problem = Flow::load(Path::new("/nonexistent/ops.csv"), None).unwrap_err();
        assert!(problem.contains("/nonexistent/ops.csv") && problem.contains(".csv.gz"), "{problem}");
    }
}
