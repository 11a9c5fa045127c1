//! Sub-commands that look after a data folder, with or without a running exchange.

pub mod admin;
mod fields;
pub mod journal;
mod outside;
pub mod projection;
mod projection_rows;
pub mod replay;
pub mod snapshot;
pub mod state;

use ringbook_replay::Folder;
use std::path::{Path, PathBuf};

/// Where a data folder lies.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// Data folder
    #[arg(long, value_name = "DIR", default_value = "ringbook-data")]
    pub data: PathBuf,
    /// Folder in shared memory, as in the server's configuration
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    pub tail_dir: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

impl DataArgs {
    /// The folder, if there is a journal in it.
    pub fn folder(&self) -> Result<Folder, String> {
        require_journal(&self.data)?;
        Ok(Folder::new(&self.data, &self.tail_dir))
    }
}

/// Whether a folder holds a journal.
pub fn require_journal(data: &Path) -> Result<(), String> {
    if data.join("journal").join("journal.id").exists() {
        return Ok(());
    }
    Err(format!(
        "{} holds no journal; name the data folder with --data, or start one with `ringbook serve`",
        data.display()
    ))
}
