//! Layers, unknown keys and ranges of the settings.

use std::ffi::OsString;

use super::*;

fn with_environment(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let environment =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    load(&Sources { environment: environment.collect(), ..Sources::default() })
}

fn with_file(text: &str) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coppice.toml");
    std::fs::write(&path, text).unwrap();
    load(&Sources { file: Some(path), ..Sources::default() })
}

#[track_caller]
fn refused(outcome: Result<Settings, ConfigError>, parts: &[&str]) {
    let message = outcome.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not mention {part:?}");
    }
}

#[test]
fn the_defaults_alone_are_a_valid_configuration() {
    let settings = load(&Sources::default()).unwrap();
    assert_eq!(settings.config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.config.server.environment, Environment::Development);
    assert_eq!(settings.config.store.database.expose(), "");
    assert_eq!(settings.config.runtime.shards, 64);
    assert_eq!(settings.config.log.level, LogLevel::Info);
    assert_eq!(settings.bootstrap_key, None);
}

#[test]
fn every_default_stands_below_a_comment_that_gives_its_reason() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        if line.contains(" = ") {
            assert!(commented, "no reason above {line:?}");
        }
        commented = line.starts_with('#');
    }
}

#[test]
fn each_layer_stands_above_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coppice.toml");
    std::fs::write(
        &path,
        "[server]\nbody_bytes_max = 1\nheader_bytes_max = 9000\nlisten = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    let environment = vec![
        (OsString::from("COPPICE_CONFIG"), OsString::from(&path)),
        (OsString::from("COPPICE_SERVER__HEADER_BYTES_MAX"), OsString::from("10000")),
        (OsString::from("COPPICE_SERVER__LISTEN"), OsString::from("127.0.0.1:2")),
        (OsString::from("coppice_store__data"), OsString::from("2026")),
        (OsString::from("PATH"), OsString::from("/bin")),
    ];
    let flags = Flags { listen: Some("127.0.0.1:3".to_owned()), ..Flags::default() };
    let settings = load(&Sources { file: None, environment, flags }).unwrap();
    let server = settings.config.server;
    assert_eq!(server.body_bytes_max, 1);
    assert_eq!(server.header_bytes_max, 10_000);
    assert_eq!(server.listen.port(), 3);
    assert_eq!(settings.config.store.data, PathBuf::from("2026"));
}

#[test]
fn the_flag_for_a_file_stands_above_the_variable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coppice.toml");
    std::fs::write(&path, "[log]\nlevel = \"debug\"\n").unwrap();
    let environment = vec![(OsString::from("COPPICE_CONFIG"), OsString::from("/nowhere.toml"))];
    let settings = load(&Sources { file: Some(path), environment, ..Sources::default() }).unwrap();
    assert_eq!(settings.config.log.level, LogLevel::Debug);
}

#[test]
fn an_unknown_key_in_a_file_is_named() {
    refused(with_file("[server]\nlistn = \"x\"\n"), &["server.listn", "coppice.toml"]);
    refused(with_file("[sever]\nlisten = \"x\"\n"), &["sever", "coppice.toml"]);
    refused(with_file("listen = \"x\"\n"), &["listen", "coppice.toml"]);
}

#[test]
fn a_wrong_type_in_a_file_names_its_key() {
    refused(with_file("[server]\nbody_bytes_max = \"many\"\n"), &["server.body_bytes_max"]);
    refused(with_file("[log]\nlevel = \"loud\"\n"), &["log.level", "loud"]);
    refused(with_file("[server]\nbody_bytes_max = -1\n"), &["server.body_bytes_max"]);
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let file = Some(PathBuf::from("/no/such/coppice.toml"));
    refused(load(&Sources { file, ..Sources::default() }), &["/no/such/coppice.toml"]);
}

#[test]
fn a_wrong_flag_is_named() {
    let flags = Flags { listen: Some("nowhere".to_owned()), ..Flags::default() };
    let sources = Sources { flags, ..Sources::default() };
    refused(load(&sources), &["the flag --listen", "server.listen"]);
}

#[test]
fn a_file_that_is_no_toml_is_not_quoted() {
    let outcome = with_file("[store]\ndatabase = \"postgres://me:hunter2@db\n");
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("coppice.toml") && text.contains("line 2"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
}

#[test]
fn an_unknown_variable_is_named() {
    refused(
        with_environment(&[("COPPICE_SERVER__LISTN", "x")]),
        &["COPPICE_SERVER__LISTN", "no setting server.listn"],
    );
    refused(with_environment(&[("COPPICE_LISTEN", "x")]), &["COPPICE_LISTEN", "SECTION__KEY"]);
    refused(with_environment(&[("COPPICE_SERVER__", "x")]), &["COPPICE_SERVER__"]);
    refused(with_environment(&[("COPPICE_SERVER__LISTEN__X", "1")]), &["LISTEN__X"]);
}

#[test]
fn a_list_is_read_from_a_variable_as_json_and_takes_the_place_of_the_one_below() {
    let listed = |text| with_environment(&[("COPPICE_PLUGINS__FETCH_HOSTS", text)]);
    let hosts = |text| listed(text).unwrap().config.plugins.fetch_hosts;
    assert_eq!(hosts(r#"["a.example", "b.example:8080"]"#), ["a.example", "b.example:8080"]);
    assert_eq!(hosts(r#"["1"]"#), ["1"]);
    assert_eq!(hosts("[]"), [""; 0]);
    let settings = with_environment(&[
        ("COPPICE_SERVER__CORS__ORIGINS", r#"["https://a.example"]"#),
        ("COPPICE_PLUGINS__SCOPES", r#"["context:read"]"#),
    ]);
    let config = settings.unwrap().config;
    assert_eq!(config.plugins.scopes, ["context:read"]);
    assert_eq!(config.server.cors.origins.len(), 1);
    for wrong in ["hunter2", "", r#"["hunter2", 1]"#, r#"{"a": "hunter2"}"#, r#""hunter2""#, "null"]
    {
        let text = listed(wrong).unwrap_err().to_string();
        let told = r#"COPPICE_PLUGINS__FETCH_HOSTS must be a list of texts, such as ["a", "b"]"#;
        assert!(text.contains(told), "{wrong}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    // What its elements have to look like is checked as it is from a file.
    refused(with_environment(&[("COPPICE_SERVER__CORS__ORIGINS", r#"["x"]"#)]), &["origins"]);
}

/// A list of anything else would need a reader of its own in the environment.
#[test]
fn every_list_of_the_defaults_is_one_of_texts() {
    fn walk(path: &str, value: &figment::value::Value) -> usize {
        match value {
            figment::value::Value::Dict(_, dict) => {
                dict.iter().map(|(key, value)| walk(&format!("{path}.{key}"), value)).sum()
            }
            figment::value::Value::Array(_, elements) => {
                assert!(elements.iter().all(|element| element.as_str().is_some()), "{path}");
                1
            }
            _ => 0,
        }
    }
    let defaults = Figment::from(Toml::string(DEFAULTS));
    assert!(walk("", &defaults.extract().unwrap()) >= 3);
}

#[test]
fn a_plugins_secrets_come_from_the_environment_only_and_are_never_printed() {
    let of = |name: &str, value: &str| with_environment(&[(name, value)]);
    let settings = of("COPPICE_PLUGIN_SECRET__WORD_COUNT__TOKEN", "hunter2").unwrap();
    assert_eq!(settings.plugin_secrets["WORD_COUNT__TOKEN"].expose(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    for (name, value, told) in [
        ("COPPICE_PLUGIN_SECRET__TOKEN", "hunter2", "PLUGIN__NAME"),
        ("COPPICE_PLUGIN_SECRET__A__", "hunter2", "PLUGIN__NAME"),
        ("COPPICE_PLUGIN_SECRET__A__B", "", "not empty"),
        ("COPPICE_PLUGIN_SECRET__A__SIGNING_KEY", "hunter2", "at least 16 bytes"),
    ] {
        let text = of(name, value).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains(told) && !text.contains("hunter2"), "{text}");
    }
    let twice = [("COPPICE_PLUGIN_SECRET__A__B", "x"), ("coppice_plugin_secret__a__b", "y")];
    refused(with_environment(&twice), &["same key"]);
    refused(with_file("[plugin_secret]\na = \"x\"\n"), &["plugin_secret"]);
}

#[test]
fn variables_of_the_tests_are_left_alone() {
    assert!(with_environment(&[("COPPICE_TEST_SEED", "1"), ("COPPICE_TEST__X", "1")]).is_ok());
}

#[test]
fn a_variable_of_the_wrong_type_is_named_without_its_value() {
    let outcome = with_environment(&[("COPPICE_RUNTIME__SHARDS", "hunter2")]);
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("COPPICE_RUNTIME__SHARDS must be a whole number"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    refused(
        with_environment(&[("COPPICE_RUNTIME__SHARDS", "70000")]),
        &["runtime.shards", "the environment variable COPPICE_RUNTIME__SHARDS"],
    );
}

#[test]
fn two_spellings_of_one_variable_are_refused() {
    refused(
        with_environment(&[("COPPICE_LOG__LEVEL", "info"), ("coppice_log__level", "debug")]),
        &["COPPICE_LOG__LEVEL", "coppice_log__level"],
    );
}

#[test]
fn values_outside_their_range_name_their_key() {
    refused(with_file("[runtime]\nmailbox_capacity = 0\n"), &["runtime.mailbox_capacity", "is 0"]);
    refused(with_file("[server]\nheader_bytes_max = 100\n"), &["server.header_bytes_max"]);
    refused(with_file("[server]\nidle_timeout_ms = 1000\n"), &["server.idle_timeout_ms"]);
    refused(with_file("[store]\ndatabase = \"mysql://x\"\n"), &["store.database"]);
    refused(with_file("[store]\ndata = \"\"\n"), &["store.data"]);
}

#[test]
fn what_belongs_together_in_tls_is_given_together() {
    refused(with_file("[server.tls]\ncert = \"c\"\n"), &["server.tls.key", "both"]);
    refused(with_file("[server.tls]\nclient_ca = \"c\"\n"), &["client_auth", "off"]);
    refused(with_file("[server.tls]\nclient_auth = \"required\"\n"), &["server.tls.cert"]);
    let both = "[server.tls]\ncert = \"c\"\nkey = \"k\"\n";
    refused(with_file(&format!("{both}client_auth = \"optional\"\n")), &["client_ca"]);
    assert!(with_file(both).is_ok());
}

#[test]
fn an_origin_is_one_as_browsers_send_it_and_not_every_one_in_production() {
    let with = |environment: &str, origin: &str| {
        with_file(&format!(
            "[server]\nenvironment = {environment:?}\n[server.cors]\norigins = [{origin:?}]\n"
        ))
    };
    assert!(with("production", "https://console.example.com:8443").is_ok());
    assert!(with("development", "*").is_ok());
    refused(with("production", "*"), &["server.cors.origins", "production"]);
    for bad in ["", "null", "console.example.com", "https://", "https://a/", "https://A", "*.a"] {
        refused(with("development", bad), &["server.cors.origins", "no origin"]);
    }
}

#[test]
fn a_token_secret_comes_from_the_environment_only_and_is_never_printed() {
    let settings = with_environment(&[("COPPICE_JWT_SECRET", "hunter2")]).unwrap();
    assert_eq!(settings.jwt_secret.as_ref().map(Secret::expose), Some("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    refused(with_file("[auth.jwt]\nsecret = \"x\"\n"), &["auth.jwt.secret"]);
}

#[test]
fn a_webhook_secret_comes_from_the_environment_only_and_is_never_printed() {
    let both = [
        ("COPPICE_GITHUB_WEBHOOK_SECRET", "hunter2hunter2hunter2"),
        ("COPPICE_GITHUB_WEBHOOK_SECRET_PREVIOUS", "hunter1hunter1hunter1"),
    ];
    let settings = with_environment(&both).unwrap();
    let secrets = settings.github_webhook.as_ref().unwrap();
    assert_eq!(secrets.current.expose(), "hunter2hunter2hunter2");
    let previous = secrets.previous.as_ref().map(Secret::expose);
    assert_eq!(previous, Some("hunter1hunter1hunter1"));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(load(&Sources::default()).unwrap().github_webhook, None);
    for short in ["", "hunter2hunter2h"] {
        let outcome = with_environment(&[("COPPICE_GITHUB_WEBHOOK_SECRET", short)]);
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("must be at least 16 bytes") && !text.contains("hunter"), "{text}");
    }
    let alone = with_environment(&both[1..]);
    refused(alone, &["COPPICE_GITHUB_WEBHOOK_SECRET_PREVIOUS", "beside"]);
    refused(with_file("[ingress.github]\nsecret = \"x\"\n"), &["ingress.github.secret"]);
}

#[test]
fn the_largest_webhook_fits_into_the_room_for_all_of_them() {
    refused(with_file("[ingress]\nheld_bytes_max = 1000\n"), &["ingress.held_bytes_max"]);
    refused(with_file("[ingress]\nbody_bytes_max = 0\n"), &["ingress.body_bytes_max", "is 0"]);
    refused(with_file("[ingress.github]\ntenant = \"A\"\n"), &["ingress.github.tenant"]);
    refused(with_file("[rates]\ningress_per_s = 0\n"), &["rates.ingress_per_s"]);
}

#[test]
fn a_database_url_is_never_printed() {
    let url = "postgres://me:hunter2@localhost/coppice";
    let settings = with_environment(&[
        ("COPPICE_STORE__DATABASE", url),
        ("COPPICE_BOOTSTRAP_KEY", "sk_test_hunter2"),
    ])
    .unwrap();
    assert_eq!(settings.config.store.database.expose(), url);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_platform_key_comes_from_the_environment_only_and_is_never_printed() {
    let (key, old) = ("5a".repeat(32), "a5".repeat(32));
    let both = [("COPPICE_PLATFORM_KEY", &*key), ("COPPICE_PLATFORM_KEY_PREVIOUS", &*old)];
    let settings = with_environment(&both).unwrap();
    let platform = settings.platform.as_ref().unwrap();
    assert!(platform.previous.as_ref().is_some_and(|previous| *previous != platform.current));
    let shown = format!("{settings:?}");
    assert!(!shown.contains(&key[..8]) && !shown.contains(&old[..8]), "{shown}");
    assert_eq!(load(&Sources::default()).unwrap().platform, None);

    let text = with_environment(&[("COPPICE_PLATFORM_KEY", &key[1..])]).unwrap_err().to_string();
    assert!(text.contains("COPPICE_PLATFORM_KEY must be 64 hexadecimal digits"), "{text}");
    assert!(!text.contains(&key[..8]), "{text}");
    refused(with_environment(&both[1..]), &["COPPICE_PLATFORM_KEY_PREVIOUS", "beside"]);
    refused(with_file("[runtime]\nplatform_key = \"x\"\n"), &["runtime.platform_key"]);
}
