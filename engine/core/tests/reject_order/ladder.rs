//! Tries every rule of a command alone and every two of them together (DOMAIN §4.4).
//!
//! ```text
//!  good command ──break one rule──► its code          break two rules ──► the code that the ladder puts first
//! ```
//!
//! A [`Rule`] breaks a plan of a command and of the state that it meets; plans know nothing of each other's rules, so two
//! rules are combined by breaking one after the other. A command comes in several kinds ([`Kind`]), because no single one
//! can break all rules.
//!
//! Invariants: every pair of answers is either tried, or listed with the reason why one command cannot deserve both; a
//! pair is never in both sets. A refused command changes nothing but sequence, time and what it is remembered by.

use ringbook_core::image::Image;
use ringbook_event::{Event, Origin};
use ringbook_wire::{KeyId, RejectCode, SessionId};
use std::collections::BTreeSet;
use std::fmt::{self, Debug, Formatter};

/// What a command is answered with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// REJECTED with this code.
    Code(RejectCode),
    /// REPLAYED, or TRANSFER marked as a repetition.
    Replayed,
    /// BAD_REQUEST because the order that an AMEND names lacks what it would change.
    Unfit,
}

impl Debug for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{}", code.code()),
            Self::Replayed => write!(f, "REPLAYED"),
            Self::Unfit => write!(f, "100 (unfit)"),
        }
    }
}

impl Answer {
    /// The answer that events give; `None`: the command was carried out.
    fn of(events: &[Event]) -> Option<Self> {
        match events {
            [Event::Rejected(e)] => Some(Self::Code(RejectCode::from_code(e.code).expect("a known code"))),
            [Event::Replayed(_)] => Some(Self::Replayed),
            [Event::Transfer(e)] if e.header.b == 1 => Some(Self::Replayed),
            _ => None,
        }
    }

    fn shown(self) -> Self {
        if self == Self::Unfit { Self::Code(RejectCode::BadRequest) } else { self }
    }
}

/// A sender who may not act for anyone.
pub fn stranger() -> Origin {
    Origin::session(SessionId::new(KeyId(9), 1))
}

/// A kind of the command, named by a letter that the rules use.
pub struct Kind<P> {
    pub letter: char,
    pub plan: P,
}

/// A rule and how a command breaks it.
pub struct Rule<P> {
    pub answer: Answer,
    /// Which kinds can break it.
    pub kinds: &'static str,
    pub break_it: fn(&mut P),
}

/// Answers that one command cannot deserve together, and why.
pub struct Apart {
    pub one: Answer,
    pub others: &'static [Answer],
    pub why: &'static str,
}

/// What a command left behind.
pub struct Trace {
    pub before: Image,
    pub after: Image,
    pub events: Vec<Event>,
}

/// What the engine keeps of a refused command.
pub enum Memory {
    Nothing,
    /// An entry of the dedupe ring.
    Ring,
    /// The adjustment number with its outcome.
    Adjustment,
}

/// All about one command.
pub struct Trial<P: 'static> {
    pub name: &'static str,
    /// The answers in the order in which they are given.
    pub ladder: &'static [Answer],
    pub kinds: Vec<Kind<P>>,
    pub rules: &'static [Rule<P>],
    pub apart: &'static [Apart],
    pub run: fn(&P) -> Trace,
    pub memory: fn(Answer) -> Memory,
}

impl<P: Clone> Trial<P> {
    /// Tries everything; how many pairs of answers there were, and how many commands.
    pub fn check(&self) -> (usize, usize) {
        let mut commands = 0;
        for kind in &self.kinds {
            let good = (self.run)(&kind.plan);
            assert_eq!(
                Answer::of(&good.events),
                None,
                "{} {}: the good command: {:?}",
                self.name,
                kind.letter,
                good.events
            );
        }
        for answer in self.ladder {
            assert!(self.rules.iter().any(|rule| rule.answer == *answer), "{}: nothing breaks {answer:?}", self.name);
        }
        let mut tried = BTreeSet::new();
        for (place, first) in self.rules.iter().enumerate() {
            for second in &self.rules[place..] {
                let (one, other) = (first.answer, second.answer);
                let alone = std::ptr::eq(first, second);
                if !alone && (one == other || self.why_apart(one, other).is_some()) {
                    continue;
                }
                for kind in
                    self.kinds.iter().filter(|k| first.kinds.contains(k.letter) && second.kinds.contains(k.letter))
                {
                    let mut plan = kind.plan.clone();
                    (first.break_it)(&mut plan);
                    if !alone {
                        (second.break_it)(&mut plan);
                    }
                    let expected = if self.rank(one) <= self.rank(other) { one } else { other };
                    self.one(kind.letter, &plan, expected, (one, other));
                    tried.insert((one.min(other), one.max(other)));
                    commands += 1;
                }
            }
        }
        let mut pairs = 0;
        for (place, &one) in self.ladder.iter().enumerate() {
            for &other in &self.ladder[place + 1..] {
                let was_tried = tried.contains(&(one.min(other), one.max(other)));
                let why = self.why_apart(one, other);
                assert_eq!(was_tried, why.is_none(), "{}: {one:?} and {other:?} together? {why:?}", self.name);
                pairs += usize::from(was_tried);
            }
        }
        println!("{}: {} answers, {pairs} pairs of them in {commands} commands", self.name, self.ladder.len());
        (pairs, commands)
    }

    fn one(&self, kind: char, plan: &P, expected: Answer, pair: (Answer, Answer)) {
        let trace = (self.run)(plan);
        let what = format!("{} {kind}, {pair:?}", self.name);
        assert_eq!(Answer::of(&trace.events), Some(expected.shown()), "{what}: {:?}", trace.events);
        if let [Event::Rejected(e)] = trace.events.as_slice() {
            // EVENTS "rules for all commands": for the sender alone.
            let hushed = [RejectCode::BadRequest.code(), RejectCode::UnknownAccount.code()].contains(&e.code);
            assert_eq!(e.header.b == 1, hushed, "{what}");
        }
        let Trace { before, mut after, .. } = trace;
        assert_eq!(after.sequence, before.sequence + 1, "{what}");
        match (self.memory)(expected) {
            Memory::Nothing => {}
            Memory::Ring => {
                let entry = after.ring.pop().unwrap_or_else(|| panic!("{what}: it is not remembered"));
                assert_eq!(Answer::Code(RejectCode::from_code(entry.code).expect("known")), expected, "{what}");
                assert_eq!((entry.sequence, entry.order), (after.sequence, 0), "{what}");
            }
            Memory::Adjustment => {
                for (now, then) in after.accounts.iter_mut().zip(&before.accounts) {
                    if now.adjustment != then.adjustment {
                        let code = RejectCode::from_code(now.adjustment_code).map(Answer::Code);
                        assert_eq!(code, Some(expected), "{what}");
                        now.adjustment = then.adjustment;
                        (now.adjustment_payload, now.adjustment_code) = (then.adjustment_payload, then.adjustment_code);
                    }
                }
            }
        }
        (after.sequence, after.time) = (before.sequence, before.time);
        assert!(after == before, "{what}: a refused command changed something");
    }

    fn rank(&self, answer: Answer) -> usize {
        self.ladder.iter().position(|&step| step == answer).expect("the ladder has every answer")
    }

    fn why_apart(&self, one: Answer, other: Answer) -> Option<&'static str> {
        let names = |apart: &&Apart| {
            apart.one == one && apart.others.contains(&other) || apart.one == other && apart.others.contains(&one)
        };
        self.apart.iter().find(names).map(|apart| apart.why)
    }
}
