//! The program as packaged: without the command line.

use std::process::Output;

use crate::support::App;

#[track_caller]
fn check(args: &[&str], code: i32, out: &str, err: &str) {
    let Output { status, stdout, stderr } = App::unset().command().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let found = (status.code(), text(stdout), text(stderr));
    assert_eq!(found, (Some(code), out.to_owned(), err.to_owned()), "{args:?}");
}

#[test]
fn only_the_version_is_printed() {
    let version = concat!("ask ", env!("CARGO_PKG_VERSION"), "\n");
    check(&["--version"], 0, version, "");
    check(&["-V"], 0, version, "");
    let line = "ask: SCF_RUNTIME_API is not set (this is the packaged function)\n";
    for args in [&[][..], &["hi"], &["--help"], &["check"], &["sign"], &["-V", "hi"]] {
        check(args, 2, "", line);
    }
}
