//! `ringbook init`: a commented configuration and fresh keys. `serve` on an empty data folder makes the keys by itself.
//!
//! Invariant: keys are random and written once; an existing key or configuration is never overwritten.

use crate::output;
use ringbook_client::Key;
use ringbook_wire::message::{Message, SetKey};
use ringbook_wire::{AccountId, KeyId, Role};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `ringbook init`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Writes a commented configuration and keys for a new exchange",
    after_help = "Example:\n  ringbook init ./ringbook-data && ringbook serve --config ./ringbook-data/ringbook.toml"
)]
pub struct InitArgs {
    /// The data folder
    #[arg(default_value = "ringbook-data")]
    pub dir: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Id of the admin key, the first of [`KEYS`].
pub const ADMIN_KEY: u32 = 1;

/// File name, id and role of the four keys; the admin key comes first.
const KEYS: [(&str, u32, Role); 4] = [
    ("admin.key", 1, Role::Admin),
    ("funds.key", 2, Role::Funds),
    ("trade.key", 3, Role::Trade),
    ("readonly.key", 4, Role::ReadOnly),
];

/// The keys in a folder; those that are missing are made, if `make`.
///
/// # Errors
/// In words: the file and what is wrong with it.
pub fn keys(folder: &Path, make: bool) -> Result<Vec<Key>, String> {
    if make {
        std::fs::create_dir_all(folder).map_err(|error| format!("key folder {}: {error}", folder.display()))?;
    }
    let mut keys = Vec::new();
    for (file, id, role) in KEYS {
        let path = folder.join(file);
        if make && !path.exists() {
            let key = Key::generate(KeyId(id), role).map_err(|error| error.to_string())?;
            key.save(&path).map_err(|error| error.to_string())?;
        }
        keys.push(Key::load(&path).map_err(|error| error.to_string())?);
    }
    Ok(keys)
}

/// The command that makes a key known. Trading and read-only keys reach customers' accounts, the others all.
pub fn key_command(key: &Key) -> Vec<u8> {
    let first = match key.role() {
        Role::Trade | Role::ReadOnly => AccountId::FIRST_CUSTOMER,
        Role::Funds | Role::Admin => AccountId(1),
    };
    let message = SetKey {
        key: key.id(),
        role: key.role().code(),
        first_account: first,
        last_account: AccountId(u32::MAX),
        public_key: key.public(),
        ..SetKey::new(0)
    };
    zerocopy::IntoBytes::as_bytes(&message).to_vec()
}

/// The commented configuration; every value in it is the default.
pub fn configuration() -> String {
    include_str!("ringbook.toml").to_owned()
}

/// Runs the command.
pub fn run(args: InitArgs) -> ExitCode {
    match init(&args.dir) {
        Ok((config, folder)) => {
            let value = serde_json::json!({ "config": config, "keys": folder });
            output::print(args.json, &value, || {
                let config = config.display();
                format!(
                    "configuration {config}\nkeys          {}\nstart with    ringbook serve --config {config}",
                    folder.display()
                )
            });
            ExitCode::SUCCESS
        }
        Err(error) => output::could_not(error),
    }
}

fn init(dir: &Path) -> Result<(PathBuf, PathBuf), String> {
    let failed = |error| format!("data folder {}: {error}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    // The configuration must mean this folder wherever the exchange is started from.
    let dir = &dir.canonicalize().map_err(failed)?;
    let config = dir.join("ringbook.toml");
    if config.exists() {
        return Err(format!("{} is there already; edit it, or choose another folder", config.display()));
    }
    let text = configuration().replace("data = \"ringbook-data\"", &format!("data = {:?}", dir.display().to_string()));
    std::fs::write(&config, text).map_err(|error| format!("configuration {}: {error}", config.display()))?;
    let folder = dir.join("keys");
    keys(&folder, true)?;
    Ok((config, folder))
}
