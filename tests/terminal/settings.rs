//! The sources of settings: options, the environment, a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use testkit::{Proxy, Scratch, Upstream, chat};

use crate::support::{Ask, KEY, Run, is_chinese};

/// A folder with the user's own file in it. It is removed with the value.
struct Home(Scratch, PathBuf);

impl Home {
    fn new(path: &str, text: &str) -> Self {
        let scratch = Scratch::new("");
        let folder = PathBuf::from(format!("{}-home", scratch.path()));
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        Self(scratch, folder)
    }

    fn path(&self) -> &str {
        self.1.to_str().unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = (&self.0, fs::remove_dir_all(&self.1));
    }
}

fn upstream() -> Upstream {
    Upstream::always(chat::completion("Yes."))
}

/// Returns the text of a file with a key, this provider, and a model.
fn file(upstream: &Upstream, model: &str) -> String {
    let url = upstream.url("/v1");
    format!("# mine\nOPENAI_API_KEY={KEY}\nOPENAI_BASE_URL=\"{url}\"\nOPENAI_MODEL={model}\n")
}

#[track_caller]
fn check(run: Run, upstream: &Upstream, model: &str) {
    run.assert_answer("Yes.");
    let requests = upstream.take_requests();
    assert_eq!(requests[0].json()["model"], model);
    assert_eq!(requests[0].header("authorization"), Some(&*format!("Bearer {KEY}")));
}

#[test]
fn own_file_is_read_where_the_environment_lacks_a_setting() {
    let upstream = upstream();
    let home = Home::new(".config/ask/env", &file(&upstream, "in-file"));
    let ask = || Ask::unset().set("HOME", home.path()).args(&["hi"]);
    check(ask().run(), &upstream, "in-file");
    check(ask().set("OPENAI_MODEL", "in-environment").run(), &upstream, "in-environment");
    check(ask().set("OPENAI_MODEL", " ").run(), &upstream, "in-file");
    let ask = Ask::unset().set("HOME", home.path()).set("OPENAI_MODEL", "in-environment");
    check(ask.args(&["-m", "option", "hi"]).run(), &upstream, "option");
    let config = Home::new("ask/env", &file(&upstream, "in-config"));
    let ask = Ask::unset().set("HOME", home.path()).set("XDG_CONFIG_HOME", config.path());
    check(ask.args(&["hi"]).run(), &upstream, "in-config");
}

#[test]
fn named_file_takes_the_place_of_the_own_one() {
    let upstream = upstream();
    let home = Home::new(".config/ask/env", "ASK_TIMEOUT=no number\n");
    let named = Home::new("named.env", &file(&upstream, "named"));
    let path = format!("{}/named.env", named.path());
    let ask = || Ask::unset().set("HOME", home.path()).args(&["--env-file", &path, "hi"]);
    check(ask().run(), &upstream, "named");
    check(ask().set("OPENAI_MODEL", "in-environment").run(), &upstream, "in-environment");
    let missing = Ask::unset().args(&["--env-file", "/nowhere/env", "hi"]).run();
    missing.assert_error(1, "", &["/nowhere/env", "No such file"]);
    let broken = Home::new("env", "A=1\nno equals sign\n");
    let path = format!("{}/env", broken.path());
    let run = Ask::unset().args(&["--env-file", &path, "hi"]).run();
    run.assert_error(1, "", &[&path, "line 2"]);
}

#[test]
fn no_file_of_the_current_folder_is_read() {
    let upstream = upstream();
    let folder = Home::new("ask/env", &file(&upstream, "m"));
    for name in ["ask.env", ".env", "env"] {
        fs::copy(folder.1.join("ask/env"), folder.1.join(name)).unwrap();
    }
    fs::create_dir_all(folder.1.join(".config/ask")).unwrap();
    fs::copy(folder.1.join("ask/env"), folder.1.join(".config/ask/env")).unwrap();
    for (name, value) in
        [("HOME", "."), ("HOME", ""), ("XDG_CONFIG_HOME", "."), ("XDG_CONFIG_HOME", ""), ("A", "")]
    {
        let ask = Ask::unset().set(name, value).folder(folder.path()).args(&["hi"]);
        ask.run().assert_error(1, "", &["OPENAI_API_KEY is not set", "in the environment"]);
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn proxy_of_the_environment_comes_first_in_either_case() {
    let upstream = upstream();
    let proxy = Proxy::http(upstream.address(), None);
    let text = format!("{}\nhttp_proxy=http://127.0.0.1:1\n", file(&upstream, "m"));
    let home = Home::new(".config/ask/env", &text);
    let by = format!("http://{}", proxy.address());
    let ask = Ask::unset().set("HOME", home.path()).set("HTTP_PROXY", &by).args(&["hi"]);
    check(ask.run(), &upstream, "m");
    assert_eq!(proxy.targets().len(), 1);
}

#[test]
fn error_of_a_setting_says_where_to_change_it() {
    let home = Home::new(".config/ask/env", "\n\nASK_TIMEOUT=no number\n");
    let path = format!("{}/.config/ask/env", home.path());
    let ask = || Ask::unset().set("HOME", home.path()).set("OPENAI_API_KEY", KEY).args(&["hi"]);
    ask().run().assert_error(1, "", &["ASK_TIMEOUT", &format!("change it in {path}, line 3")]);
    let in_environment = ask().set("ASK_TIMEOUT", "soon").run();
    in_environment.assert_error(1, "", &["ASK_TIMEOUT", "change it in the environment"]);
    let empty = Home::new("x", "");
    let unset = Ask::unset().set("HOME", empty.path()).set("LANG", "zh_CN.UTF-8");
    let unset = unset.args(&["hi"]).run();
    unset.assert_error(1, "", &["OPENAI_API_KEY", &format!("{}/.config/ask/env", empty.path())]);
    assert!(is_chinese(&unset.err), "{}", unset.err);
    let option = Ask::unset().set("OPENAI_API_KEY", KEY).args(&["-m", ",", "hi"]).run();
    option.assert_error(1, "", &["OPENAI_MODEL", "change --model"]);
    let certificates = Ask::unset().set("OPENAI_API_KEY", KEY).set("SSL_CERT_FILE", "/nowhere");
    certificates.args(&["hi"]).run().assert_error(1, "", &["SSL_CERT_FILE", "in the environment"]);
}

#[test]
fn file_that_other_users_can_read_is_warned_about() {
    let upstream = upstream();
    let home = Home::new(".config/ask/env", &file(&upstream, "m"));
    let path = home.1.join(".config/ask/env");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let run = Ask::unset().set("HOME", home.path()).args(&["hi"]).run();
    assert_eq!((run.code, run.out.as_str()), (Some(0), "Yes.\n"), "{run:?}");
    assert!(run.err.contains("OPENAI_API_KEY") && run.err.contains("chmod 600"), "{}", run.err);
    fs::write(&path, "OPENAI_MODEL=m\n").unwrap();
    let run = Ask::new(&upstream).set("HOME", home.path()).args(&["hi"]).run();
    run.assert_answer("Yes.");
}
