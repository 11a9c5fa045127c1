//! The tail rule: the one function that decides where a journal ends (`docs/FORMATS.md` §6).
//!
//! `D` is the highest sequence that is known to have been durable. What was durable and is not there is damage, and
//! nobody may go on as if it had never been; what was not durable may be cut, because nobody was told of it.
//! [`verdict`] is a table over a handful of facts; `scan.rs` finds the facts; `recovery.rs` acts. Nothing else in
//! this package ever shortens a journal.

/// What lies at the place where the next frame is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A valid frame.
    Frame,
    /// A valid END frame.
    End,
    /// Length 0.
    Nothing,
    /// Something that is not a valid frame (or, at the very beginning of a segment, not a valid header).
    Bad,
}

/// What the next segment looks like, for [`At::End`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It exists, and its header continues this segment.
    Good,
    /// It does not exist, or is all zeros.
    Missing,
    /// It exists, is not all zeros, and its header does not continue this segment.
    Bad,
}

/// Whether the expected sequence was ever durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The sequence is at or below `D`.
    Durable,
    /// The sequence is above `D`.
    NotDurable,
}

/// What lies behind the place, in this segment's file and in later segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Only zeros, and no later segment that holds anything.
    Zeros,
    /// Something.
    Something,
}

/// Whether the segment has a sidecar, and what its hash says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// No sidecar.
    No,
    /// The bytes give the sidecar's hash (or nobody asked: see `Options::verify_sealed`).
    Fits,
    /// The bytes do not give the sidecar's hash.
    Differs,
}

/// All that the rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What lies there.
    pub at: At,
    /// Whether its sequence was durable.
    pub known: Known,
    /// The next segment.
    pub next: Next,
    /// What lies behind.
    pub behind: Behind,
    /// The sidecar.
    pub sealed: Sealed,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep the frame, go on behind it.
    Keep,
    /// Go on in the next segment.
    NextSegment,
    /// The journal ends here, cleanly.
    EndsHere,
    /// Cut from here on.
    Cut,
    /// Keep this segment, cut from the next one on.
    CutNext,
    /// Refuse to start; the row of the table.
    Damage(u8),
}

/// The table. Rows are numbered as in `docs/FORMATS.md` §6; the first that fits decides.
pub fn verdict(facts: Facts) -> Verdict {
    use Verdict::{Cut, CutNext, Damage, EndsHere, Keep, NextSegment};
    let Facts { at, known, next, behind, sealed } = facts;
    match (at, known, next, behind, sealed) {
        (_, _, _, _, Sealed::Differs) => Damage(9),
        (At::Frame, _, _, _, _) => Keep,                               // 1
        (At::End, _, Next::Good, _, _) => NextSegment,                 // 2
        (At::End, Known::NotDurable, Next::Missing, _, _) => EndsHere, // 3
        (At::End, Known::Durable, Next::Missing, _, _) => Damage(10),  // 10
        (At::End, Known::Durable, Next::Bad, _, _) => Damage(4),       // 4
        (At::End, Known::NotDurable, Next::Bad, _, _) => CutNext,      // 5
        // A sealed segment ends with END and nothing else.
        (At::Nothing | At::Bad, _, _, _, Sealed::Fits) => Damage(9),
        (At::Nothing | At::Bad, Known::Durable, _, _, _) => Damage(6), // 6
        (At::Nothing, Known::NotDurable, _, Behind::Zeros, _) => EndsHere, // 7
        (At::Nothing | At::Bad, Known::NotDurable, _, _, _) => Cut,    // 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of facts, each against the first row of this independent reading of the document.
    #[test]
    fn every_combination_of_facts() {
        let ats = [At::Frame, At::End, At::Nothing, At::Bad];
        let knowns = [Known::Durable, Known::NotDurable];
        let nexts = [Next::Good, Next::Missing, Next::Bad];
        let behinds = [Behind::Zeros, Behind::Something];
        let sealeds = [Sealed::No, Sealed::Fits, Sealed::Differs];
        let mut count = 0;
        let mut seen = std::collections::BTreeMap::new();
        for at in ats {
            for known in knowns {
                for next in nexts {
                    for behind in behinds {
                        for sealed in sealeds {
                            let facts = Facts { at, known, next, behind, sealed };
                            let expected = expected(facts);
                            check(facts, expected);
                            *seen.entry(format!("{expected:?}")).or_insert(0) += 1;
                            count += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(count, 144);
        assert_eq!(seen.len(), 9, "every verdict and row occurs: {seen:?}");
    }

    fn check(facts: Facts, expected: Verdict) {
        assert_eq!(verdict(facts), expected, "{facts:?}");
    }

    /// The document's sentences, one `if` each, in its own words.
    fn expected(f: Facts) -> Verdict {
        let below = f.known == Known::Durable;
        let something_there = f.at == At::Frame || f.at == At::End;
        if f.sealed == Sealed::Differs {
            return Verdict::Damage(9);
        }
        if f.sealed == Sealed::Fits && !something_there {
            return Verdict::Damage(9);
        }
        if f.at == At::Frame {
            return Verdict::Keep;
        }
        if f.at == At::End {
            if f.next == Next::Good {
                return Verdict::NextSegment;
            }
            return match (below, f.next == Next::Missing) {
                (true, true) => Verdict::Damage(10),
                (true, false) => Verdict::Damage(4),
                (false, true) => Verdict::EndsHere,
                (false, false) => Verdict::CutNext,
            };
        }
        if below {
            return Verdict::Damage(6);
        }
        if f.at == At::Nothing && f.behind == Behind::Zeros { Verdict::EndsHere } else { Verdict::Cut }
    }

    /// What must never happen, whatever the facts: durable bytes cut, or a journal ended in front of them.
    #[test]
    fn what_was_durable_is_never_cut() {
        for at in [At::End, At::Nothing, At::Bad] {
            for next in [Next::Missing, Next::Bad] {
                for behind in [Behind::Zeros, Behind::Something] {
                    for sealed in [Sealed::No, Sealed::Fits, Sealed::Differs] {
                        let facts = Facts { at, known: Known::Durable, next, behind, sealed };
                        assert!(matches!(verdict(facts), Verdict::Damage(_)), "{facts:?}");
                    }
                }
            }
        }
    }
}
