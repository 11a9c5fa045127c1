//! `ringbook admin key`: makes a key, gives it another pair, or revokes it. What is not named stays as it is.

use super::present::Present;
use super::{Done, named, refused};
use ringbook_client::{Client, Key};
use ringbook_wire::message::{Message, SetKey};
use ringbook_wire::{AccountId, KeyId, RejectCode, Role};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// Which key, and what about it.
#[derive(Debug, clap::Args)]
#[command(
    about = "Makes a key, gives it a new pair, or revokes it",
    after_help = "A key that exists keeps the role and the range that are not named. GET /v1/keys lists all of them.\n\nExamples:\n  \
                  ringbook admin key 10 --role trade --first-account 500 --last-account 500 --out bot.key\n  \
                  ringbook admin key 10 --out bot-2.key\n  ringbook admin key 10 --revoke"
)]
pub struct KeyArgs {
    /// Its number, 1 to 65535; the first five are those of the data folder
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_535))]
    id: u32,
    /// trade, readonly, funds, admin or feed [default of a new key: trade]
    #[arg(long)]
    role: Option<String>,
    /// First account that it reaches [default of a new key: 16]
    #[arg(long, value_name = "ID")]
    first_account: Option<u32>,
    /// Last account that it reaches [default of a new key: 4294967295]
    #[arg(long, value_name = "ID")]
    last_account: Option<u32>,
    /// Where the new key file is written; it must not exist yet
    #[arg(long, value_name = "FILE", required_unless_present = "revoke")]
    out: Option<PathBuf>,
    /// Nobody logs on with it any more, and its sessions end
    #[arg(long, conflicts_with = "out")]
    revoke: bool,
}

/// A key as `GET /v1/keys` has it.
#[derive(Debug, Clone, Deserialize)]
struct Known {
    key: u32,
    role: String,
    revoked: bool,
    first_account: u32,
    last_account: u32,
}

/// Sends the change.
pub fn run(
    client: &mut Client,
    present: impl FnOnce(&Client) -> Result<Present, String>,
    args: &KeyArgs,
) -> Result<Done, String> {
    let all_named = args.role.is_some() && args.first_account.is_some() && args.last_account.is_some();
    // A key that is lost must be revoked also where HTTP cannot be reached.
    let known = match present(client).and_then(|present| present.list::<Known>("/v1/keys", "keys")) {
        Ok(keys) => keys.into_iter().find(|known| known.key == args.id),
        Err(error) if args.revoke => {
            eprintln!("ringbook: whether there is a key {} could not be looked up: {error}", args.id);
            let (role, first_account, last_account) = ("trade".to_owned(), 1, u32::MAX);
            Some(Known { key: args.id, role, revoked: false, first_account, last_account })
        }
        Err(_) if all_named => None,
        Err(error) => return Err(format!("{error}; or name everything: --role, --first-account and --last-account")),
    };
    let done = |text: String, role: Role, first: u32, last: u32| Done {
        text,
        detail: json!({ "key": args.id, "role": role.name(), "revoked": args.revoke, "first_account": first, "last_account": last }),
    };
    let new = Known { key: args.id, role: "trade".into(), revoked: false, first_account: 16, last_account: u32::MAX };
    let before = match (&known, args.revoke) {
        (None, true) => {
            return Err(format!("there is no key {}: GET /v1/keys lists them; nothing was changed", args.id));
        }
        (known, _) => known.as_ref().unwrap_or(&new),
    };
    let role = named("role", args.role.as_deref().unwrap_or(&before.role), Role::ALL)?;
    let first = args.first_account.unwrap_or(before.first_account);
    let last = args.last_account.unwrap_or(before.last_account);
    if args.revoke && before.revoked {
        return Ok(done(format!("key {} was revoked before; nothing changed", args.id), role, first, last));
    }
    let made = Key::generate(KeyId(args.id), role).map_err(|error| error.to_string())?;
    let message = SetKey {
        key: KeyId(args.id),
        role: role.code(),
        revoked: u8::from(args.revoke),
        first_account: AccountId(first),
        last_account: AccountId(last),
        public_key: if args.revoke { [0; 32] } else { made.public() },
        ..SetKey::new(0)
    };
    let file = args.out.as_ref().filter(|_| !args.revoke);
    if let Some(path) = file {
        // Saved first: a key that the exchange knows and nobody has would be worth nothing.
        made.save(path).map_err(|error| error.to_string())?;
    }
    let answer = refused(client, message, &format!("key {}", args.id), |code, _| match code {
        Some(RejectCode::BadConfig) => format!("the first account {first} must not lie behind the last {last}"),
        _ => "only an admin key may configure".into(),
    });
    if answer.is_err()
        && let Some(path) = file
    {
        // It never became a key; a later try must be able to write the file again.
        let _ = std::fs::remove_file(path);
    }
    answer?;
    let what = if args.revoke {
        "revoked".to_owned()
    } else {
        let word = if known.is_some() { "has a new pair" } else { "made" };
        format!("{word}: role {}, accounts {first} to {last}", role.name())
    };
    Ok(done(format!("key {} {what}", args.id), role, first, last))
}
