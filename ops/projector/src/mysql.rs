//! The MySQL and MariaDB sink: one connection, driven from an ordinary thread by a small runtime of its own.
//!
//! Invariants:
//! 1. Sessions are strict: a value that does not fit is an error, never cut off.
//! 2. Every wait is bounded: a server that does not answer counts as away, and its connection is dropped.
//! 3. A password is in no text that leaves this file.

use crate::schema::{Column, Dialect, Kind, Table};
use crate::sink::{Sink, SinkError};
use crate::value::Value;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Params, ServerError};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const SESSION: [&str; 3] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10",
];

/// One connection to a MySQL or MariaDB server.
#[derive(Debug)]
pub struct MySqlSink {
    runtime: tokio::runtime::Runtime,
    opts: Opts,
    label: String,
    connection: Option<Conn>,
    timeout: Duration,
    in_transaction: bool,
    /// Newest day that has a partition, by table; and when to try again after a refusal.
    partitions: HashMap<String, i64>,
    partitions_refused: Option<Instant>,
}

impl MySqlSink {
    /// A sink for a URL `mysql://user:password@host:port/database?require_ssl=true`; connects on first use.
    /// `ssl_ca=PATH` (Ringbook's own parameter) names a PEM file of an authority of one's own and implies TLS.
    ///
    /// # Errors
    /// The URL is not one, or names no database.
    pub fn new(url: &str) -> Result<Self, SinkError> {
        let away = |text: String| SinkError::Away(text);
        let (url, authority) = take_ssl_ca(url);
        let opts = Opts::from_url(&url).map_err(|e| {
            away(format!("not a MySQL URL ({e}); it looks like mysql://USER:PASSWORD@HOST:3306/DATABASE?require_ssl=true, with special characters of the password as %XX"))
        })?;
        let Some(database) = opts.db_name().filter(|name| !name.is_empty()) else {
            return Err(away("the MySQL URL names no database: add /DATABASE after the host".into()));
        };
        let user = opts.user().unwrap_or("(none)");
        let label =
            format!("MySQL database `{database}` at {}:{} as user `{user}`", opts.ip_or_hostname(), opts.tcp_port());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| away(format!("cannot start the runtime for MySQL: {e}")))?;
        let mut builder = OptsBuilder::from_opts(opts.clone());
        if let Some(path) = authority {
            let ssl = opts.ssl_opts().cloned().unwrap_or_default();
            builder = builder.ssl_opts(ssl.with_root_certs(vec![std::path::PathBuf::from(path).into()]));
        }
        let opts: Opts =
            builder.setup(SESSION.to_vec()).stmt_cache_size(256).prefer_socket(false).tcp_nodelay(true).into();
        Ok(Self {
            runtime,
            opts,
            label,
            connection: None,
            timeout: Duration::from_secs(30),
            in_transaction: false,
            partitions: HashMap::new(),
            partitions_refused: None,
        })
    }

    /// How long a statement may take before the server counts as away.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    fn drop_connection(&mut self) {
        self.in_transaction = false;
        let _inside = self.runtime.enter();
        self.connection = None;
    }

    /// Runs one exchange with the server within the timeout.
    fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Conn) -> Result<T, Error>) -> Result<T, SinkError> {
        let Some(connection) = &mut self.connection else {
            return Err(SinkError::Away(format!("{}: not connected", self.label)));
        };
        let timeout = self.timeout;
        let result = self.runtime.block_on(async { tokio::time::timeout(timeout, work(connection)).await });
        let error = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => classify(&self.label, &error),
            Err(_) => SinkError::Away(format!(
                "{}: no answer within {} s; is the server overloaded or stopped?",
                self.label,
                timeout.as_secs()
            )),
        };
        if matches!(error, SinkError::Away(_)) {
            self.drop_connection();
        }
        Err(error)
    }

    fn open(&self, opts: &Opts) -> Result<Conn, Error> {
        let timeout = self.timeout.min(Duration::from_secs(5));
        let opts = opts.clone();
        self.runtime.block_on(async {
            tokio::time::timeout(timeout, Conn::new(opts))
                .await
                .unwrap_or_else(|_| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer").into()))
        })
    }

    /// The database does not exist: creates it, if the user may.
    fn create_database(&self) -> Result<(), SinkError> {
        let database = self.opts.db_name().unwrap_or_default().replace('`', "``");
        let failed = |e: &Error| {
            SinkError::Away(format!(
                "{}: the database does not exist and cannot be created ({e}); run as an administrator: CREATE DATABASE `{database}`; GRANT ALL ON `{database}`.* TO this user",
                self.label
            ))
        };
        let opts: Opts = OptsBuilder::from_opts(self.opts.clone()).db_name(None::<String>).into();
        let mut connection = self.open(&opts).map_err(|e| failed(&e))?;
        let sql = format!("CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4");
        let result = self.runtime.block_on(connection.query_drop(sql));
        let _inside = self.runtime.enter();
        drop(connection);
        result.map_err(|e| failed(&e))
    }
}

impl Drop for MySqlSink {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let end = async { tokio::time::timeout(Duration::from_secs(1), connection.disconnect()).await };
            drop(self.runtime.block_on(end));
        }
    }
}

/// Takes `ssl_ca=PATH` out of a URL's parameters.
fn take_ssl_ca(url: &str) -> (String, Option<String>) {
    let Some((head, query)) = url.split_once('?') else { return (url.into(), None) };
    let (own, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|p| p.starts_with("ssl_ca="));
    let path = own.first().and_then(|p| p.strip_prefix("ssl_ca=")).map(str::to_owned);
    (if rest.is_empty() { head.into() } else { format!("{head}?{}", rest.join("&")) }, path)
}

/// What a failed attempt to connect says to people.
fn connect_error(label: &str, error: &Error) -> SinkError {
    let remedy = match error {
        Error::Server(e) if matches!(e.code, 1045 | 1698 | 2061) => {
            "wrong user or password (special characters as %XX in the URL), or MariaDB takes TLS only: add ?require_ssl=true"
        }
        Error::Server(e) if matches!(e.code, 1044 | 1142) => {
            "the user may not use this database: GRANT ALL ON it to the user"
        }
        Error::Server(e) if e.code == 1040 => {
            "the server has too many connections: raise max_connections or close some"
        }
        Error::Server(e) if e.code == 3159 => "the server takes TLS connections only: add ?require_ssl=true to the URL",
        Error::Server(e) if e.code == 1130 => "the server does not let this machine in: create the user for this host",
        Error::Server(_) => "see the server's log",
        Error::Io(e) if matches!(e, mysql_async::IoError::Tls(_)) || e.to_string().contains("certificate") => {
            "TLS failed: check the server's certificate; ssl_ca=PATH names an authority of your own, verify_ca=false checks nothing"
        }
        Error::Io(_) => "cannot reach the server: is it running, is host:port right, is a firewall in between?",
        Error::Driver(mysql_async::DriverError::NoClientSslFlagFromServer) => {
            "the server offers no TLS: switch it on there, or drop require_ssl from the URL"
        }
        _ => "check the URL and the server",
    };
    SinkError::Away(format!("{label}: {error}; {remedy}"))
}

/// Which kind of error it is. What is not known to be about a row is never blamed on one.
fn classify(label: &str, error: &Error) -> SinkError {
    let text = format!("{label}: {error}");
    match error {
        Error::Server(ServerError { code, state, .. }) => match code {
            1205 | 1213 | 1020 | 3572 => SinkError::Conflict(text),
            // CHECK, incorrect value, no partition, SIGNAL of a trigger: no state of their own class.
            3819 | 4025 | 1366 | 1526 | 1644 => SinkError::Refused(text),
            _ if state.starts_with("22") || state.starts_with("23") || state.starts_with("45") => {
                SinkError::Refused(text)
            }
            _ => SinkError::Away(text),
        },
        _ => SinkError::Away(text),
    }
}

fn to_mysql(value: &Value) -> mysql_async::Value {
    match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Int(v) => mysql_async::Value::Int(*v),
        Value::Big(v) => mysql_async::Value::UInt(*v),
        Value::Text(text) => mysql_async::Value::Bytes(text.as_bytes().to_vec()),
    }
}

fn from_mysql(column: &Column, raw: Option<&mysql_async::Value>) -> Value {
    match raw {
        None | Some(mysql_async::Value::NULL) => Value::Null,
        Some(mysql_async::Value::Int(v)) => Value::Int(*v),
        Some(mysql_async::Value::UInt(v)) => Value::from(*v),
        Some(mysql_async::Value::Bytes(bytes)) => {
            let text = String::from_utf8_lossy(bytes);
            match column.kind {
                Kind::Int | Kind::Id | Kind::Flag => {
                    text.parse::<i64>().map_or_else(|_| text.to_string().into(), Value::Int)
                }
                Kind::Unsigned => text.parse::<u64>().map_or_else(|_| text.to_string().into(), Value::from),
                Kind::Text(_) | Kind::Long | Kind::Decimal(..) => text.into_owned().into(),
            }
        }
        Some(other) => Value::from(format!("{other:?}")),
    }
}

fn params(values: &[Value]) -> Params {
    if values.is_empty() { Params::Empty } else { Params::Positional(values.iter().map(to_mysql).collect()) }
}

impl Sink for MySqlSink {
    fn label(&self) -> &str {
        &self.label
    }

    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn connect(&mut self) -> Result<(), SinkError> {
        self.rollback();
        if self.connection.is_some() {
            let alive = self.run(async |c| c.ping().await).is_ok();
            if alive {
                return Ok(());
            }
        }
        self.drop_connection();
        let mut result = self.open(&self.opts);
        if let Err(Error::Server(e)) = &result
            && e.code == 1049
        {
            self.create_database()?;
            result = self.open(&self.opts);
        }
        self.connection = Some(result.map_err(|e| connect_error(&self.label, &e))?);
        Ok(())
    }

    fn begin(&mut self, read_only: bool) -> Result<(), SinkError> {
        let sql = if read_only { "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY" } else { "START TRANSACTION" };
        self.run(async |c| c.query_drop(sql).await)?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        self.run(async |c| c.query_drop("COMMIT").await)?;
        self.in_transaction = false;
        Ok(())
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.in_transaction) && self.run(async |c| c.query_drop("ROLLBACK").await).is_err() {
            self.drop_connection();
        }
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, SinkError> {
        let params = params(values);
        self.run(async |c| {
            c.exec_drop(sql, params).await?;
            Ok(c.affected_rows())
        })
    }

    fn define(&mut self, sql: &str) -> Result<(), SinkError> {
        self.run(async |c| c.query_drop(sql).await)
    }

    fn select(
        &mut self,
        sql: &str,
        values: &[Value],
        columns: &[Column],
        each: &mut dyn FnMut(&[Value]),
    ) -> Result<(), SinkError> {
        let params = params(values);
        // A scan of a large table may take its time; each row must come within the timeout.
        let Some(connection) = &mut self.connection else {
            return Err(SinkError::Away(format!("{}: not connected", self.label)));
        };
        let timeout = self.timeout;
        let work = async {
            let mut rows = tokio::time::timeout(timeout, connection.exec_iter(sql, params)).await??;
            let mut out = Vec::with_capacity(columns.len());
            while let Some(row) = tokio::time::timeout(timeout, rows.next()).await?? {
                out.clear();
                out.extend(columns.iter().enumerate().map(|(i, column)| from_mysql(column, row.as_ref(i))));
                each(&out);
            }
            Ok::<(), SelectError>(())
        };
        let error = match self.runtime.block_on(work) {
            Ok(()) => return Ok(()),
            Err(SelectError::Server(error)) => classify(&self.label, &error),
            Err(SelectError::Timeout) => {
                SinkError::Away(format!("{}: no answer within {} s", self.label, timeout.as_secs()))
            }
        };
        self.drop_connection();
        Err(error)
    }

    fn prepare_day(&mut self, table: &Table, suffix: &str, day: i64) -> Result<(), SinkError> {
        if self.partitions_refused.is_some_and(|at| at.elapsed() < Duration::from_secs(60)) {
            return Ok(());
        }
        let name = format!("{}{suffix}", table.name);
        if !self.partitions.contains_key(&name) {
            let sql = "SELECT COALESCE(MAX(CAST(SUBSTRING(partition_name, 2) AS SIGNED)), 0) FROM information_schema.partitions WHERE table_schema = DATABASE() AND table_name = ? AND partition_name LIKE 'p2%'";
            let newest = crate::sink::select_number(self, sql, &[name.clone().into()])?.unwrap_or(0);
            self.partitions.insert(name.clone(), newest);
        }
        if self.partitions.get(&name).is_some_and(|&newest| newest >= day) {
            return Ok(());
        }
        let sql = format!(
            "ALTER TABLE {name} REORGANIZE PARTITION pmax INTO (PARTITION p{day} VALUES LESS THAN ({}), PARTITION pmax VALUES LESS THAN MAXVALUE)",
            day + 1
        );
        let result = self.run(async |c| match c.query_drop(sql).await {
            // Refused (no privilege, locked, too many): the rows stay in the last partition.
            Err(Error::Server(e)) => Ok(Some(e.to_string())),
            other => other.map(|()| None),
        })?;
        match result {
            None => {
                self.partitions.insert(name, day);
            }
            Some(text) => {
                tracing::warn!(table = name, day, "no partition for the day, its rows go to pmax: {text}");
                self.partitions_refused = Some(Instant::now());
                self.partitions.remove(&name);
            }
        }
        Ok(())
    }
}

enum SelectError {
    Server(Error),
    Timeout,
}

impl From<Error> for SelectError {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<tokio::time::error::Elapsed> for SelectError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Timeout
    }
}
