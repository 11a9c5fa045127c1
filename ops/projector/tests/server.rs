//! Against a real server: errors that people make, and a server that goes away and comes back.
mod common;

use common::{Db, assert_same, dump, expected, options, world::World};
use ringbook_projector::{BreakerState, FrameList, Progress, Sink, open, run};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

fn test_url() -> String {
    let db = Db::mysql();
    let url = db.url();
    drop(db);
    url
}

#[test]
fn connection_errors_name_host_user_database_and_remedy() {
    let url = test_url();
    let wrong_password = url.replacen(":ringbook@", ":secret-word@", 1);
    let no_server = "mysql://someone:secret-word@127.0.0.1:1/books".to_owned();
    let no_host = "mysql://someone:secret-word@no-such-host.invalid:3306/books".to_owned();
    let no_tls = format!("{url}?require_ssl=true");
    for (url, wanted) in [
        (wrong_password, vec!["127.0.0.1", "user `ringbook`", "wrong user or password"]),
        (no_server, vec!["127.0.0.1:1", "user `someone`", "database `books`", "is it running"]),
        (no_host, vec!["no-such-host.invalid", "cannot reach"]),
        (no_tls, vec!["TLS"]),
    ] {
        let mut sink = open(&url).unwrap();
        let error = sink.connect().unwrap_err().to_string();
        for word in wanted {
            assert!(error.contains(word), "{url}: {error}");
        }
        assert!(!error.contains("secret-word"), "{error}");
    }
    // A user who may not create the database is told what to run.
    let db = Db::on(&url);
    let mut admin = db.sink();
    let user = format!("poor{}", std::process::id());
    admin.define(&format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw'")).unwrap();
    let address = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let mut sink = open(&format!("mysql://{user}:pw@{address}/not_there_yet")).unwrap();
    let error = sink.connect().unwrap_err().to_string();
    admin.define(&format!("DROP USER {user}@'127.0.0.1'")).unwrap();
    assert!(error.contains("GRANT"), "{error}");
}

/// A server of this test's own, by the script that everyone uses.
struct Server<'a> {
    dir: &'a Path,
}

impl Server<'_> {
    fn script(&self, action: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/mariadb");
        let out = Command::new(script).arg(action).arg(self.dir).output().expect("scripts/mariadb runs");
        assert!(out.status.success(), "{action}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.script("stop");
    }
}

#[test]
fn a_server_that_stops_and_comes_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server { dir: &folder.path().join("server") };
    let url = server.script("start");
    let frames = World::frames(41, 1_200);
    let stop = AtomicBool::new(false);
    let progress = Progress::default();
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < deadline, "{what}: {:?}", progress.report());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    std::thread::scope(|scope| {
        let handle = scope.spawn(|| {
            let mut sink = open(&url).unwrap();
            let small = ringbook_projector::Options { batch_rows_min: 30, batch_rows_max: 30, ..options() };
            let mut source = Slow { list: FrameList::new(frames.clone()) };
            run(&mut source, sink.as_mut(), &small, &stop, &progress)
        });
        until("first rows", &|| progress.sequence() > 100);
        server.script("pause");
        until("breaker opens", &|| progress.report().breaker == BreakerState::Open);
        let report = progress.report();
        assert!(report.next_attempt_ms > 0 && report.failures >= 3, "{report:?}");
        assert!(report.last_error.as_deref().unwrap_or("").contains("cannot reach"), "{report:?}");
        assert_eq!(server.script("start"), url, "the same port again");
        until("all rows", &|| progress.sequence() == 1_200);
        assert_eq!(progress.report().breaker, BreakerState::Closed);
        stop.store(true, Relaxed);
        handle.join().unwrap().unwrap();
    });
    let mut sink: Box<dyn Sink> = open(&url).unwrap();
    sink.connect().unwrap();
    assert_same(&dump(sink.as_mut()), &expected(&frames), "after the outage");
}

/// A list that takes its time, so that the outage comes in the middle.
struct Slow {
    list: FrameList,
}

impl ringbook_projector::FrameSource for Slow {
    fn term_at(&mut self, sequence: u64) -> Result<Option<u32>, ringbook_projector::SourceError> {
        self.list.term_at(sequence)
    }
    fn seek(&mut self, sequence: u64) -> Result<(), ringbook_projector::SourceError> {
        self.list.seek(sequence)
    }
    fn next(
        &mut self,
        wait: Duration,
    ) -> Result<Option<ringbook_projector::Frame<'_>>, ringbook_projector::SourceError> {
        std::thread::sleep(Duration::from_micros(500));
        self.list.next(wait)
    }
}

/// Certificates of a passing test: an authority and a server's certificate signed by it, made with openssl.
fn certificates(dir: &Path) {
    let openssl = |args: &str| {
        let out = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(dir)
            .output()
            .expect("openssl is installed (scripts/test installs it)");
        assert!(out.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&out.stderr));
    };
    std::fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority");
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1");
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem");
}

#[test]
fn tls_checks_the_server() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = Server { dir: &folder.path().join("server") };
    let url = server.script("start");
    server.script("pause");
    let (key, cert) = (folder.path().join("server.key"), folder.path().join("server.pem"));
    std::fs::write(
        folder.path().join("server/mariadb/extra"),
        format!("--ssl-cert={}\n--ssl-key={}\n--require-secure-transport=1\n", cert.display(), key.display()),
    )
    .unwrap();
    assert_eq!(server.script("start"), url);
    let error = open(&url).unwrap().connect().unwrap_err().to_string();
    assert!(error.contains("require_ssl"), "{error}");
    let error = open(&format!("{url}?require_ssl=true")).unwrap().connect().unwrap_err().to_string();
    assert!(error.contains("ssl_ca"), "{error}");
    open(&format!("{url}?require_ssl=true&verify_ca=false")).unwrap().connect().unwrap();
    let mut sink = open(&format!("{url}?ssl_ca={}", folder.path().join("ca.pem").display())).unwrap();
    sink.connect().unwrap();
    ringbook_projector::set_up(sink.as_mut(), &ringbook_projector::Owner::default()).unwrap();
    assert!(
        common::text(
            sink.as_mut(),
            "SELECT VARIABLE_VALUE FROM information_schema.session_status WHERE VARIABLE_NAME = 'Ssl_version'"
        )
        .starts_with("TLS")
    );
}

/// A projector may be started before its server.
#[test]
fn a_projector_waits_for_a_server_that_is_not_there() {
    let stop = AtomicBool::new(false);
    let progress = Progress::default();
    std::thread::scope(|scope| {
        let handle = scope.spawn(|| {
            let mut sink = open("mysql://a:b@127.0.0.1:1/c").unwrap();
            run(&mut FrameList::default(), sink.as_mut(), &options(), &stop, &progress)
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        while progress.report().breaker != BreakerState::Open && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(progress.report().breaker, BreakerState::Open);
        stop.store(true, Relaxed);
        handle.join().unwrap().unwrap();
    });
}
