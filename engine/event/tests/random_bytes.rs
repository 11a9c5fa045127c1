//! Event bytes from anywhere: reading them never panics and always ends.
//!
//! Invariants checked: [`events`] yields whole records of their own length, skips what it does not know, and ends with an
//! error at the first record that is not whole; every prefix of good bytes gives a prefix of their events;
//! [`split_command`] never panics.

use ringbook_event::{Event, EventError, Handled, Record, Status, events, split_command};
use zerocopy::IntoBytes;

/// splitmix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }
}

/// Bytes of the record types 1 to 17 (docs/FORMATS.md §4).
const SIZES: [usize; 27] =
    [48, 32, 80, 120, 64, 72, 32, 32, 96, 32, 16, 16, 40, 32, 32, 40, 72, 40, 24, 32, 32, 72, 48, 40, 32, 48, 16];

/// Random records, known and unknown ones; and how many are known.
fn records(random: &mut Random) -> (Vec<u8>, usize) {
    let (mut bytes, mut known) = (Vec::new(), 0);
    for _ in 0..random.below(12) {
        let kind = if random.below(3) == 0 { random.bits() as u8 } else { 1 + random.below(SIZES.len()) as u8 };
        let own = SIZES.get(usize::from(kind).wrapping_sub(1)).copied();
        let length = own.unwrap_or_else(|| 8 * (1 + random.below(255)));
        known += usize::from(own.is_some());
        let at = bytes.len();
        bytes.extend((0..length).map(|_| random.bits() as u8));
        (bytes[at], bytes[at + 1]) = (kind, (length / 8) as u8);
    }
    (bytes, known)
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(2);
    let (mut read, mut errors) = (0u64, 0u64);
    for round in 0..200_000 {
        let mut bytes: Vec<u8> = (0..random.below(300)).map(|_| random.bits() as u8).collect();
        // Half of them begin with a header that could be one.
        if round % 2 == 0 && bytes.len() > 2 {
            let kind = random.below(SIZES.len() + 2);
            (bytes[0], bytes[1]) = (kind as u8, SIZES.get(kind).map_or(3, |size| size / 8) as u8);
        }
        let seen: Vec<_> = events(&bytes).collect();
        assert!(seen.len() <= bytes.len() / 8 + 1);
        assert!(seen.iter().rev().skip(1).all(Result::is_ok), "an error is the last");
        read += seen.iter().filter(|seen| seen.is_ok()).count() as u64;
        errors += seen.iter().filter(|seen| seen.is_err()).count() as u64;
        let _ = split_command(&bytes);
        let _ = Event::read(&bytes);
    }
    println!("{read} events, {errors} errors");
    assert!(read > 1_000 && errors > 1_000, "{read} events, {errors} errors");
}

#[test]
fn known_records_are_read_and_others_skipped_wherever_the_bytes_are_cut() {
    let mut random = Random(3);
    for _ in 0..20_000 {
        let (bytes, known) = records(&mut random);
        let whole: Vec<Event> = events(&bytes).map(|event| event.expect("whole records")).collect();
        assert_eq!(whole.len(), known);
        for event in &whole {
            assert_eq!(Event::read(event.as_bytes()), Some(*event));
        }
        let cut = random.below(bytes.len() + 1);
        let part: Vec<_> = events(&bytes[..cut]).collect();
        let good: Vec<Event> = part.iter().filter_map(|event| event.ok()).collect();
        assert!(part.len() <= good.len() + 1 && whole.starts_with(&good));
        if let Some(Err(EventError(at))) = part.last() {
            assert!(*at < cut, "the error names where the record begins that is not whole");
        }
    }
}

/// Types that a later version adds do not stop a reader of today.
#[test]
fn records_of_a_later_version_are_skipped() {
    let status = Status { header: Status::header(2, 1, 7), reserved: 0 };
    let handled = Handled { header: Handled::header(115, 0, 0), count: 0, reserved: 0, argument: 0, reserved2: 0 };
    let mut bytes = vec![63, 2, 1, 1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9];
    bytes.extend_from_slice(status.as_bytes());
    bytes.extend_from_slice(&[200, 1, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(handled.as_bytes());
    let seen: Vec<Event> = events(&bytes).map(|event| event.expect("whole records")).collect();
    assert_eq!(seen, [Event::from(status), Event::from(handled)]);
}
