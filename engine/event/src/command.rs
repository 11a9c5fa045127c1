//! The command bytes of a frame: who sent it ([`Origin`]) and the message to the letter (docs/FORMATS.md §3).

use ringbook_wire::message::Header;
use ringbook_wire::{KeyId, SessionId};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes before the message.
pub const ORIGIN_BYTES: usize = size_of::<Origin>();

/// Who sent a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Origin {
    /// The session, or 0 for Ringbook itself.
    pub session: SessionId,
    /// The key, or 0 for Ringbook itself.
    pub key: KeyId,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Origin>() == 16);

impl Origin {
    /// Ringbook itself.
    pub const INTERNAL: Self = Self { session: SessionId(0), key: KeyId(0), reserved: 0 };

    /// A session of a key.
    pub const fn session(session: SessionId) -> Self {
        Self { session, key: session.key(), reserved: 0 }
    }
}

/// Command bytes that are not an origin and a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("command of {0} bytes is not an origin and one whole message: the journal was written by something else")]
pub struct SplitError(pub usize);

/// Origin, header and message of a frame's command bytes.
///
/// # Errors
/// The bytes are too short, or the header's length does not fit them.
#[inline]
pub fn split_command(command: &[u8]) -> Result<(Origin, Header, &[u8]), SplitError> {
    let error = SplitError(command.len());
    let (origin, message) = Origin::read_from_prefix(command).map_err(|_| error)?;
    let (header, _) = Header::read_from_prefix(message).map_err(|_| error)?;
    if usize::from(header.length) != message.len() {
        return Err(error);
    }
    Ok((origin, header, message))
}
