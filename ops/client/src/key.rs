//! Keys: an Ed25519 pair with its number and role, as text in a file (PROTOCOL §3).
//!
//! ```text
//! key = 3
//! role = trade
//! secret = <32-byte seed, 64 hexadecimal digits>
//! public = <32 bytes, 64 hexadecimal digits>
//! ```
//!
//! Invariants: the public half always belongs to the secret one; a file is created readable by its owner alone; the
//! secret never appears in `Debug` output or in an error.

use crate::ClientError;
use ed25519_dalek::{Signer, SigningKey};
use ringbook_wire::message::Logon;
use ringbook_wire::{KeyId, Role};
use std::fmt;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A key that can log on.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    role: Role,
    pair: SigningKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.id, self.role)
    }
}

impl Key {
    /// A fresh random key.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate(id: KeyId, role: Role) -> Result<Self, ClientError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| ClientError::Random(error.to_string()))?;
        Ok(Self { id, role, pair: SigningKey::from_bytes(&seed) })
    }

    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What it may do, as its file says; the server's own record decides.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its public half, as SET_KEY takes it.
    pub fn public(&self) -> [u8; 32] {
        self.pair.verifying_key().to_bytes()
    }

    /// Signs a LOGON for the nonce of a challenge; everything else in it must be final.
    pub fn sign(&self, logon: &mut Logon, nonce: &[u8; 32]) {
        logon.signature = self.pair.sign(&logon.signed_bytes(nonce)).to_bytes();
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// It cannot be read, or it is not a key file.
    pub fn load(path: &Path) -> Result<Self, ClientError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ClientError::KeyFile { path: path.to_owned(), cause })?;
        Self::parse(&text).map_err(|problem| ClientError::KeyFormat { path: path.to_owned(), problem })
    }

    /// Writes a key file that only its owner can read. An existing file is not replaced.
    ///
    /// # Errors
    /// It exists already or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ClientError> {
        let failed = |cause| ClientError::KeyWrite { path: path.to_owned(), cause };
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(self.to_text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn to_text(&self) -> String {
        format!(
            "key = {}\nrole = {}\nsecret = {}\npublic = {}\n",
            self.id,
            self.role,
            hex(&self.pair.to_bytes()),
            hex(&self.public())
        )
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (mut id, mut role, mut secret, mut public) = (None, None, None, None);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) =
                line.split_once('=').ok_or_else(|| format!("line {} is not `name = value`", number + 1))?;
            let value = value.trim();
            match name.trim() {
                "key" => id = value.parse().ok().filter(|&id: &u32| id > 0).map(KeyId),
                "role" => role = Role::ALL.iter().copied().find(|role| role.name() == value),
                "secret" => secret = unhex(value),
                "public" => public = unhex(value),
                other => return Err(format!("line {}: `{other}` is not a name of a key file", number + 1)),
            }
        }
        let id = id.ok_or("`key` is missing or not a number from 1")?;
        let role = role.ok_or("`role` is missing or not trade, readonly, funds or admin")?;
        let secret = secret.ok_or("`secret` is missing or not 64 hexadecimal digits")?;
        let public = public.ok_or("`public` is missing or not 64 hexadecimal digits")?;
        let key = Self { id, role, pair: SigningKey::from_bytes(&secret) };
        if key.public() != public {
            return Err("`public` does not belong to `secret`".into());
        }
        Ok(key)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_loads_as_the_same_key_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let key = Key::generate(KeyId(7), Role::Funds).unwrap();
        let path = std::env::temp_dir().join(format!("ringbook-key-{}", &hex(&key.public())[..16]));
        key.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Key::load(&path).unwrap();
        assert_eq!((loaded.id(), loaded.role(), loaded.public()), (KeyId(7), Role::Funds, key.public()));
        assert!(matches!(key.save(&path), Err(ClientError::KeyWrite { .. })), "an existing key is never replaced");
        std::fs::remove_file(&path).unwrap();
        let error = key.save(&path.join("x.key")).unwrap_err();
        assert!(error.to_string().contains("make its folder first"), "{error}");
        assert!(matches!(Key::load(&path), Err(ClientError::KeyFile { .. })));
    }

    #[test]
    fn malformed_files_are_refused_with_a_reason_and_without_the_secret() {
        let key = Key::generate(KeyId(1), Role::Trade).unwrap();
        let good = key.to_text();
        assert!(Key::parse(&good).is_ok());
        assert!(Key::parse(&format!("# a comment\n\n{good}")).is_ok());
        for (bad, reason) in [
            (good.replace("key = 1", "key = 0"), "`key`"),
            (good.replace("trade", "boss"), "`role`"),
            (good.replace("secret = ", "secret = z"), "`secret`"),
            (good.replace(&hex(&key.public()), &"0".repeat(64)), "`public` does not"),
            (good.replace("role = trade", "role trade"), "line 2"),
            (good.replace("role", "rule"), "line 2"),
        ] {
            let problem = Key::parse(&bad).err().unwrap();
            assert!(problem.contains(reason), "{problem}");
            assert!(!problem.contains(&hex(&key.pair.to_bytes())));
        }
        assert!(!format!("{key:?}").contains(&hex(&key.pair.to_bytes())));
    }
}
