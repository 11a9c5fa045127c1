//! Starting, and what is written for the next start.

mod common;

use common::Server;
use std::path::Path;
use std::process::{Command, Output};

fn ringbook(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringbook")).args(args).current_dir(folder).output().unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A first start on a taken port left a folder with keys and a demo market behind.
#[test]
fn a_taken_port_is_told_before_anything_is_made() {
    let server = Server::start("taken-port", "");
    for (listen, http) in [(server.order_entry.as_str(), "127.0.0.1:0"), ("127.0.0.1:0", server.http.as_str())] {
        let output = ringbook(&server.folder, &["serve", "--data", "fresh", "--listen", listen, "--http", http]);
        let error = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("annot listen on") && error.contains("port 0"), "{error}");
        assert!(!server.folder.join("fresh").exists());
    }
}

/// `init ./x` wrote `data = "./x"`, which meant another folder from another directory.
#[test]
fn a_configuration_means_its_own_folder_from_everywhere() {
    let folder = std::env::temp_dir().join(format!("ringbook-test-init-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("elsewhere")).unwrap();
    let output = ringbook(&folder, &["init", "./x"]);
    assert!(output.status.success(), "{}", words(&output.stderr));
    let config = std::fs::read_to_string(folder.join("x/ringbook.toml")).unwrap();
    let path = folder.canonicalize().unwrap().join("x");
    assert!(config.contains(&format!("data = {:?}", path.display().to_string())), "{config}");
    // A command that takes the configuration finds the same folder, and says so.
    let output = ringbook(&folder.join("elsewhere"), &["projection", "status", "--config", "../x/ringbook.toml"]);
    let error = words(&output.stderr);
    assert!(error.contains(&format!("{} holds no journal", path.display())), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_database_comes_from_flag_environment_or_configuration_and_is_not_shown() {
    let server = Server::start("database", "");
    let status = |environment: Option<&str>, flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringbook"));
        command.args(["projection", "status", "--config"]).arg(server.folder.join("ringbook.toml"));
        command.arg("--data").arg(&server.folder).args(flags).env_remove("RINGBOOK_PROJECTION");
        if let Some(url) = environment {
            command.env("RINGBOOK_PROJECTION", url);
        }
        words(&command.output().unwrap().stderr)
    };
    assert!(status(None, &[]).contains("name a database"), "the configuration says none");
    assert!(status(Some("sqlite:environment.sqlite"), &[]).contains("environment.sqlite does not exist"));
    assert!(
        status(Some("sqlite:environment.sqlite"), &["--projection", "flag.sqlite"]).contains("flag.sqlite does not")
    );
    let help = Command::new(env!("CARGO_BIN_EXE_ringbook"))
        .args(["project", "--help"])
        .env("RINGBOOK_PROJECTION", "mysql://user:secret@host/x")
        .output()
        .unwrap();
    assert!(words(&help.stdout).contains("RINGBOOK_PROJECTION") && !words(&help.stdout).contains("secret"));
}
