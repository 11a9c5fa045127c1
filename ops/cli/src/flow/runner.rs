//! Sends a flow through one session, pipelined, and takes the answers in the same order.
//!
//! ```text
//!  ops ──► send ──► pending (requests and books, in order) ──► answers ──► Checker
//!            │         book at the front: everything before it is answered, so S is known
//!            │              └──► Books.ask(S) ──► GET …?sequence=S ──► Checker
//!            └─ waits while: window full, orders too far ahead of the oldest unanswered book, or SET needs a drained line
//! ```
//!
//! One thread; it sleeps in poll(2) whenever nothing moves.
//!
//! Invariants: answers come in the order of the requests; a book is asked for after exactly the last command before its
//! line; orders are named by client id, so that a cancel can follow its order without waiting for the engine's number.

use super::books::Books;
use super::check::{Checker, Part};
use super::market::{Market, account_of, key, random};
use super::ops::{Flow, Kind, Op};
use ringbook_client::{ClientError, Connection, Incoming, Options, Report, Session};
use ringbook_wire::message::{Amend, Cancel, Message, NewOrder};
use ringbook_wire::{
    AccountId, BusyReason, ClientOrderId, OrderType, Price, Qty, Side, StpMode, SymbolId, TimeInForce, codec,
    order_flags,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{HashMap, VecDeque};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sequences that orders may be ahead of the oldest unanswered book.
const AHEAD: u64 = 20_000;
/// Without any answer for this long, the run is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// What was sent and is not answered, or a book whose turn has not come.
enum Pending {
    Request { number: u32, op: usize, part: Part },
    Book { op: usize },
}

/// The order that a tag stands for, as it was sent.
#[derive(Clone, Copy)]
struct Placed {
    client_id: ClientOrderId,
    account: AccountId,
    /// Total quantity, reductions taken off: what an amendment names.
    total: i64,
}

/// See the module.
pub struct Runner<'a> {
    flow: &'a Flow,
    market: &'a Market,
    connection: Connection,
    session: Session,
    books: Books,
    checker: Checker,
    pending: VecDeque<Pending>,
    /// Messages in `pending`.
    outstanding: usize,
    window: usize,
    placed: HashMap<u64, Placed>,
    /// Upper half of every client id of this run.
    run: u64,
    next_op: usize,
    next_request: u32,
    sequence: u64,
    group: Vec<Report>,
    last_answer: Instant,
    /// Messages sent.
    pub requests: u64,
}

impl<'a> Runner<'a> {
    /// Logs on with the trade key and connects to HTTP.
    ///
    /// # Errors
    /// A key or a connection; in words.
    pub fn open(
        flow: &'a Flow,
        market: &'a Market,
        address: &str,
        http: &str,
        keys: &Path,
        window: usize,
    ) -> Result<Self, String> {
        let mut session = Session::new();
        let options = Options { own_only: true, ..Options::new(address).session(random() as u32) };
        let trade = key(keys, "trade.key")?;
        let mut connection = Connection::open(&options, &trade, &mut session).map_err(|error| error.to_string())?;
        connection.set_nonblocking(true).map_err(|error| error.to_string())?;
        let limit = connection.accepted().max_outstanding as usize;
        Ok(Self {
            flow,
            market,
            books: Books::connect(http, &market.name)?,
            checker: Checker::default(),
            pending: VecDeque::new(),
            outstanding: 0,
            window: window.min(limit * 3 / 4).max(1),
            placed: HashMap::new(),
            run: random() | 1 << 63,
            next_op: 0,
            next_request: 1,
            sequence: connection.accepted().sequence.0,
            connection,
            session,
            group: Vec::new(),
            last_answer: Instant::now(),
            requests: 0,
        })
    }

    /// Sends everything and compares everything.
    ///
    /// # Errors
    /// The run cannot go on; in words.
    pub fn run(mut self, mut progress: impl FnMut(usize)) -> Result<(Checker, u64), String> {
        loop {
            self.send()?;
            self.connection.flush().map_err(|error| error.to_string())?;
            let mut moved = self.receive()?;
            let (checker, flow) = (&mut self.checker, self.flow);
            moved |= self.books.pump(|query, got| checker.book(&flow.ops[query.op], query.sequence, got))?;
            if moved {
                self.last_answer = Instant::now();
                progress(self.next_op);
                continue;
            }
            if self.next_op == self.flow.ops.len() && self.pending.is_empty() && self.books.is_idle() {
                self.connection.log_out().map_err(|error| error.to_string())?;
                return Ok((self.checker, self.requests));
            }
            if self.last_answer.elapsed() > SILENCE {
                return Err(format!(
                    "no answer for {} s at line {}; is the exchange still running?",
                    SILENCE.as_secs(),
                    self.flow.ops.get(self.next_op).map_or(0, |op| op.line)
                ));
            }
            self.connection.keep_alive(Instant::now()).map_err(|error| error.to_string())?;
            self.wait();
        }
    }

    /// Sleeps until a socket is ready, at most 20 ms.
    fn wait(&self) {
        let unsent = self.connection.unsent() > 0;
        let flags = if unsent { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let order_entry = self.connection.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(order_entry, flags)];
        fds.extend(self.books.interests().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        // An interrupted or failed wait only means looking again.
        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }

    fn send(&mut self) -> Result<(), String> {
        while let Some(op) = self.flow.ops.get(self.next_op) {
            let ahead = self.books.oldest().is_some_and(|oldest| self.sequence.saturating_sub(oldest) > AHEAD);
            if self.outstanding >= self.window || ahead || op.kind == Kind::Set && self.outstanding > 0 {
                break;
            }
            let index = self.next_op;
            self.next_op += 1;
            if op.kind.is_book() {
                self.pending.push_back(Pending::Book { op: index });
                self.release_books();
                continue;
            }
            match op.kind {
                Kind::Cancel => self.cancel(index, op, Part::Main)?,
                Kind::Reduce => self.reduce(index, op, op.quantity)?,
                Kind::Replace => {
                    self.cancel(index, op, Part::Clear)?;
                    self.enter(index, op);
                }
                Kind::Set => self.set(index, op)?,
                _ => self.enter(index, op),
            }
        }
        Ok(())
    }

    /// Forces the tag to have exactly `quantity` left; everything before is answered.
    fn set(&mut self, index: usize, op: &Op) -> Result<(), String> {
        let have = self.checker.remaining(op.tag);
        match op.quantity {
            want if want == have => {}
            0 => self.cancel(index, op, Part::Clear)?,
            want if want < have => self.reduce(index, op, have - want)?,
            _ => {
                if have > 0 {
                    self.cancel(index, op, Part::Clear)?;
                }
                self.enter(index, op);
            }
        }
        Ok(())
    }

    fn placed(&mut self, op: &Op) -> Result<&mut Placed, String> {
        self.placed
            .get_mut(&op.tag)
            .ok_or_else(|| format!("line {}: {} of tag {}, which was never entered", op.line, op.kind.name(), op.tag))
    }

    fn cancel(&mut self, index: usize, op: &Op, part: Part) -> Result<(), String> {
        let placed = *self.placed(op)?;
        let mut message = Cancel::new(0);
        message.account = placed.account;
        message.client_id = placed.client_id;
        self.queue(message, index, part);
        Ok(())
    }

    fn reduce(&mut self, index: usize, op: &Op, by: i64) -> Result<(), String> {
        let placed = self.placed(op)?;
        placed.total -= by;
        let mut message = Amend::new(0);
        message.account = placed.account;
        message.client_id = placed.client_id;
        message.quantity = Qty(placed.total);
        self.queue(message, index, Part::Main);
        Ok(())
    }

    fn enter(&mut self, index: usize, op: &Op) {
        let mut message = NewOrder::new(0);
        message.client_id = ClientOrderId([u64::from(self.next_request), self.run]);
        message.account = AccountId(self.market.accounts[account_of(index)]);
        message.symbol = SymbolId(self.market.symbol);
        message.quantity = Qty(op.quantity);
        message.send_time = ringbook_client::order::now();
        message.side = if op.buy { Side::Buy } else { Side::Sell }.code();
        message.stp = StpMode::None.code();
        message.order_type = OrderType::Limit.code();
        message.time_in_force = TimeInForce::Gtc.code();
        match op.kind {
            Kind::Market => {
                message.order_type = OrderType::Market.code();
                message.time_in_force = TimeInForce::Ioc.code();
            }
            Kind::Execute | Kind::Immediate => message.time_in_force = TimeInForce::Ioc.code(),
            Kind::PostOnly => message.flags = order_flags::POST_ONLY,
            _ => {}
        }
        if op.kind != Kind::Market {
            message.price = Price(op.price);
        }
        let placed = Placed { client_id: message.client_id, account: message.account, total: op.quantity };
        self.placed.insert(op.tag, placed);
        self.queue(message, index, Part::Main);
    }

    fn queue<M: Message>(&mut self, mut message: M, op: usize, part: Part) {
        let number = self.next_request;
        self.next_request += 1;
        *message.header_mut() = M::header_for(number);
        self.connection.queue(&message);
        self.pending.push_back(Pending::Request { number, op, part });
        self.outstanding += 1;
        self.requests += 1;
    }

    fn receive(&mut self) -> Result<bool, String> {
        let mut moved = false;
        loop {
            // First what the logon may have read already.
            while let Some(message) = self.connection.next_message().map_err(|error| error.to_string())? {
                moved = true;
                let request = codec::header(message).request;
                match self.session.on_message(message).map_err(|error| error.to_string())? {
                    Incoming::Report { bytes, .. } => {
                        let report = Report::read(bytes).ok_or("a report that this build does not know")?;
                        self.group.push(report);
                        if report.is_last() {
                            let group = std::mem::take(&mut self.group);
                            self.answered(&group)?;
                            self.group = group;
                            self.group.clear();
                        }
                    }
                    Incoming::Busy(busy) => {
                        let reason = BusyReason::from_code(busy.reason).map_or("?", BusyReason::name);
                        return Err(format!(
                            "the server was busy ({reason}) at request {request}, so the order of the flow is lost; \
                             run it alone on the server or with a smaller --window"
                        ));
                    }
                    Incoming::Error(error) => return Err(ClientError::from(&error).to_string()),
                    _ => {}
                }
            }
            if self.connection.receive().map_err(|error| error.to_string())? == 0 {
                return Ok(moved);
            }
        }
    }

    /// Takes all reports of one sequence.
    fn answered(&mut self, group: &[Report]) -> Result<(), String> {
        let Some(own) = group.iter().find(|report| report.request() != 0) else {
            // Of another session of the same key; its orders are not ours.
            return Ok(());
        };
        let Some(Pending::Request { number, op, part }) = self.pending.pop_front() else {
            return Err(format!("request {} was answered, but none is open", own.request()));
        };
        if number != own.request() {
            return Err(format!("request {} was answered before request {number}", own.request()));
        }
        self.outstanding -= 1;
        self.sequence = own.place().sequence.0;
        self.checker.answer(&self.flow.ops[op], part, group);
        self.release_books();
        Ok(())
    }

    /// Asks for the books whose turn has come.
    fn release_books(&mut self) {
        while let Some(&Pending::Book { op }) = self.pending.front() {
            self.pending.pop_front();
            if let Some(levels) = &self.flow.ops[op].book {
                self.books.ask(op, self.sequence, levels.depth.max(1));
            }
        }
    }
}
