//! The key, from each of its places.

use crate::{
    cloud::{SECRET_ID, SECRET_KEY},
    support::{Setup, set_mode},
};

fn without_key() -> Setup {
    let mut setup = Setup::new();
    setup.env.clear();
    setup
}

fn tccli(extra: &str) -> String {
    format!(r#"{{"secretId": "{SECRET_ID}", "secretKey": "{SECRET_KEY}"{extra}}}"#)
}

#[test]
fn missing_key_names_all_places() {
    let setup = without_key();
    setup.run(&["hello.zip"]).failed().says(&[
        "TENCENTCLOUD_SECRET_ID",
        "TENCENTCLOUD_SECRET_KEY",
        "~/.tccli/default.credential",
        "~/.tencentcloud/credentials",
        "https://console.cloud.tencent.com/cam/capi",
    ]);
    assert!(setup.cloud.calls().is_empty());
}

#[test]
fn key_is_read_from_the_file_of_tccli() {
    let setup = without_key();
    setup.folder.write(".tccli/default.credential", tccli(""));
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn profile_of_tccli_can_be_chosen() {
    let mut setup = without_key();
    setup.folder.write(".tccli/work.credential", tccli(""));
    setup.env.push(("TCCLI_PROFILE", "work".to_owned()));
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn key_is_read_from_the_file_of_the_sdks() {
    let setup = without_key();
    let text = format!("[default]\nsecret_id = {SECRET_ID}\nsecret_key = {SECRET_KEY}\n");
    setup.folder.write(".tencentcloud/credentials", text);
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn environment_comes_before_files() {
    let setup = Setup::new();
    setup.folder.write(".tccli/default.credential", "no JSON");
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn session_token_is_sent() {
    let mut setup = without_key();
    setup.cloud.demand_token("token-1");
    let path = setup.folder.write(".tccli/default.credential", tccli(""));
    let source = path.file_name().unwrap().to_str().unwrap();
    setup.run(&["hello.zip"]).failed().says(&["AuthFailure.TokenFailure", source]);
    let login = r#", "token": "token-1", "type": "oauth", "expiresAt": 9999999999"#;
    setup.folder.write(".tccli/default.credential", tccli(login));
    setup.run(&["hello.zip"]).ok();
    setup.env = vec![
        ("TENCENTCLOUD_SECRET_ID", SECRET_ID.to_owned()),
        ("TENCENTCLOUD_SECRET_KEY", SECRET_KEY.to_owned()),
        ("TENCENTCLOUD_TOKEN", "token-1".to_owned()),
    ];
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn expired_login_says_how_to_log_in() {
    let setup = without_key();
    setup.folder.write(".tccli/default.credential", tccli(r#", "expiresAt": 1700000000"#));
    setup.run(&["hello.zip"]).failed().says(&["default.credential", "expired", "tccli auth login"]);
    assert!(setup.cloud.calls().is_empty());
}

#[test]
fn broken_files_are_named_and_not_shown() {
    let setup = without_key();
    for text in [&tccli("")[..20], "{}", ""] {
        setup.folder.write(".tccli/default.credential", text);
        setup.run(&["hello.zip"]).failed().says(&[".tccli/default.credential: "]);
    }
}

#[test]
fn wrong_key_is_reported_with_its_place() {
    let mut setup = Setup::new();
    setup.env[1].1 = "wrong".to_owned();
    setup.run(&["hello.zip"]).failed().says(&["SecretKey", "from TENCENTCLOUD_SECRET_ID"]);
    setup.env[1].1 = "wrong key\u{e9}".to_owned();
    setup.run(&["hello.zip"]).failed().says(&["copy it again"]);
}

#[test]
fn files_with_keys_that_others_can_read_are_warned_about() {
    let setup = without_key();
    let tccli = setup.folder.write(".tccli/default.credential", tccli(""));
    let key = setup.folder.write("key.env", "API_KEY=sk-1\n");
    let plain = setup.folder.write("plain.env", "MODEL=a\nAPI_KEY=\n");
    let run = || setup.run(&["hello.zip", "--env-file", "key.env", "--env-file", "plain.env"]).ok();
    assert!(!run().stderr.contains("warning"));
    for path in [&tccli, &key, &plain] {
        set_mode(path, 0o644);
    }
    let output = run().says(&["default.credential holds a key", "key.env holds a key", "mode 644"]);
    assert!(!output.stderr.contains("plain.env"), "{}", output.stderr);
    for mode in [0o640, 0o604, 0o620] {
        set_mode(&key, mode);
        run().says(&["key.env holds a key"]);
    }
}
