//! Configuration: a TOML file, flags over it, defaults under it. Every setting has a name, a default and an explanation
//! in what `ringbook init` writes.

use ringbook_gateway::Limits;
use ringbook_journal::AckPolicy;
use ringbook_pipeline::{Layout, WaitMode};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bytes of events of one command (docs/DOMAIN.md §5.1a).
pub const MAX_EVENT_BYTES: u32 = 256 << 10;
/// Bound of a journal frame: events, the longest command, headers.
pub const MAX_FRAME_BYTES: u32 = MAX_EVENT_BYTES + 4_096;

/// The file. Unknown settings are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub http: SocketAddr,
    pub ack: String,
    pub projection: String,
    pub layout: String,
    pub wait: String,
    pub pin: Option<usize>,
    pub tail_dir: PathBuf,
    pub segment_mib: u64,
    pub free_space_floor_mib: u64,
    pub ring_slots: usize,
    pub dedupe_capacity: u32,
    pub max_orders: u32,
    pub snapshot_every_frames: u64,
    pub snapshot_every_seconds: u64,
    pub keep_history: bool,
    pub private_http: bool,
    pub demo: bool,
    pub limits: LimitsConfig,
}

/// The `[limits]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    pub connections: usize,
    pub outstanding: u32,
    pub rate_per_s: u32,
    pub output_mib: usize,
    pub logon_ms: u64,
    pub restart_grace_ms: u64,
    pub history_mib_per_s: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            connections: limits.connections,
            outstanding: limits.outstanding,
            rate_per_s: limits.rate_per_s,
            output_mib: limits.output_bytes >> 20,
            logon_ms: limits.logon_ms,
            restart_grace_ms: limits.restart_grace_ms,
            history_mib_per_s: limits.history_bytes_per_s >> 20,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "ringbook-data".into(),
            listen: ([127, 0, 0, 1], 7401).into(),
            http: ([127, 0, 0, 1], 7480).into(),
            ack: "durable".into(),
            projection: "sqlite".into(),
            layout: "auto".into(),
            wait: "adaptive".into(),
            pin: None,
            tail_dir: "/dev/shm".into(),
            segment_mib: 64,
            free_space_floor_mib: 512,
            ring_slots: 16_384,
            dedupe_capacity: 1 << 20,
            max_orders: 1 << 20,
            snapshot_every_frames: 1_000_000,
            snapshot_every_seconds: 600,
            keep_history: true,
            private_http: false,
            demo: true,
            limits: LimitsConfig::default(),
        }
    }
}

/// What a setting may be, in the error.
fn one_of<T>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T, String>
where
    T: Copy,
{
    let found = choices.iter().find(|(choice, _)| *choice == value).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        format!("setting {name} = \"{value}\": must be one of {}", names.join(", "))
    })
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// In words: the file, and what is wrong in it.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("configuration {}: {error}; write one with `ringbook init`", path.display()))?;
        toml::from_str(&text).map_err(|error| {
            let what = error.message().to_owned();
            let place = error.span().map(|span| span.start.min(text.len())).unwrap_or(0);
            let line = text[..place].matches('\n').count() + 1;
            // A wrong type is told with the value alone: name the setting as well.
            let begin = text[..place].rfind('\n').map_or(0, |at| at + 1);
            let setting = text[begin..].lines().next().filter(|line| line.contains('=')).map_or("", str::trim);
            let setting = if setting.is_empty() { String::new() } else { format!(", setting {setting}") };
            format!("configuration {}, line {line}{setting}: {what}", path.display())
        })
    }

    /// The ack policy.
    pub fn ack_policy(&self) -> Result<AckPolicy, String> {
        if self.ack == "replicated" {
            return Err("setting ack = \"replicated\": this build has no replication; use durable (or written)".into());
        }
        one_of("ack", &self.ack, &[("durable", AckPolicy::Durable), ("written", AckPolicy::Written)])
    }

    /// The thread layout.
    pub fn thread_layout(&self) -> Result<Layout, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let auto = Layout::for_cores(cores);
        one_of("layout", &self.layout, &[("auto", auto), ("fused", Layout::Fused), ("split", Layout::Split)])
    }

    /// How idle threads wait.
    pub fn wait_mode(&self) -> Result<WaitMode, String> {
        let modes = [("adaptive", WaitMode::Adaptive), ("yield", WaitMode::Yield), ("spin", WaitMode::Spin)];
        one_of("wait", &self.wait, &modes)
    }

    /// The projection's database, or none.
    pub fn projection_url(&self) -> Option<String> {
        projection_url(&self.projection, &self.data)
    }

    /// Checks what flags and file say together.
    ///
    /// # Errors
    /// In words: the setting and what it may be.
    pub fn check(&self) -> Result<(), String> {
        self.ack_policy()?;
        self.thread_layout()?;
        self.wait_mode()?;
        if !self.ring_slots.is_power_of_two() || !(256..=1 << 20).contains(&self.ring_slots) {
            return Err(format!(
                "setting ring_slots = {}: must be a power of two from 256 to 1048576",
                self.ring_slots
            ));
        }
        if !(1..=16 << 10).contains(&self.segment_mib) {
            return Err(format!("setting segment_mib = {}: must lie between 1 and 16384", self.segment_mib));
        }
        for (name, value) in [("dedupe_capacity", self.dedupe_capacity), ("max_orders", self.max_orders)] {
            if !(16..1 << 28).contains(&value) {
                return Err(format!("setting {name} = {value}: must lie between 16 and 268435455"));
            }
        }
        let limits = &self.limits;
        for (name, value) in [
            ("connections", limits.connections as u64),
            ("outstanding", u64::from(limits.outstanding)),
            ("rate_per_s", u64::from(limits.rate_per_s)),
            ("output_mib", limits.output_mib as u64),
            ("logon_ms", limits.logon_ms),
            ("history_mib_per_s", limits.history_mib_per_s),
        ] {
            if !(1..=u64::from(u32::MAX)).contains(&value) {
                return Err(format!("setting limits.{name} = {value}: must lie between 1 and 4294967295"));
            }
        }
        if let Some(url) = self.projection_url() {
            ringbook_projector::open(&url).map_err(|error| format!("setting projection: {error}"))?;
        }
        Ok(())
    }

    /// The gateway's bounds.
    pub fn gateway_limits(&self) -> Limits {
        let limits = &self.limits;
        Limits {
            connections: limits.connections,
            outstanding: limits.outstanding,
            rate_per_s: limits.rate_per_s,
            output_bytes: limits.output_mib << 20,
            logon_ms: limits.logon_ms,
            restart_grace_ms: limits.restart_grace_ms,
            history_bytes_per_s: limits.history_mib_per_s << 20,
        }
    }
}

/// The database of a `--projection` value: `none`, `sqlite` (in the data folder), a path, or a URL.
pub fn projection_url(value: &str, data: &Path) -> Option<String> {
    match value {
        "none" => None,
        "sqlite" => Some(format!("sqlite:{}", data.join("projection.sqlite").display())),
        other => Some(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_is_named_with_its_line_or_its_choices() {
        let dir = std::env::temp_dir().join(format!("ringbook-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("ringbook.toml");
        for (text, expected) in [
            ("ack = \"sometimes\"", "setting ack"),
            ("\nlistn = \"x\"", "line 2, setting listn"),
            ("listn = \"x\"", "line 1, setting listn"),
            ("ack = \"durable\"\n# a comment\n  listn = \"x\"", "line 3, setting listn"),
            ("[limits]\n\nrate = 1", "line 3, setting rate"),
            ("ack = \"durable\"\n[limit]\n", "line 2"),
            ("listen = \"nowhere\"", "line 1, setting listen"),
            ("\nack = 5", "line 2, setting ack"),
            ("segment_mib = -5", "setting segment_mib"),
            ("[limits]\nrate_per_s = true", "setting rate_per_s"),
            ("ring_slots = 1000", "power of two"),
            ("wait = \"never\"", "adaptive, yield, spin"),
            ("projection = \"oracle://x\"", "no such database kind"),
            ("ack = \"replicated\"", "no replication"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::load(&file).and_then(|config| config.check()).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_init_writes_is_the_default() {
        let config: Config = toml::from_str(&crate::init::configuration()).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }
}
