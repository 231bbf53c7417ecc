//! Messages for errors of the cloud and of the network.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use crate::{
    cloud::Fault,
    support::{SECRET, Setup},
};

/// Codes, and words of the cure that their sentence names.
const CURES: &[(&str, &str)] = &[
    ("UnauthorizedOperation.CAM", "QcloudSCFFullAccess"),
    ("UnauthorizedOperation.CreateTrigger", "QcloudSCFFullAccess"),
    ("AuthFailure.UnauthorizedOperation", "QcloudSCFFullAccess"),
    ("UnauthorizedOperation.Region", "--region"),
    ("AuthFailure.SecretIdNotFound", "https://console.cloud.tencent.com/cam/capi"),
    ("AuthFailure.SignatureFailure", "copy both again"),
    ("AuthFailure.SignatureExpire", "clock"),
    ("AuthFailure.TokenFailure", "log in again"),
    ("AuthFailure.MFAFailure", "https://console.cloud.tencent.com/cam/capi"),
    ("FailedOperation.QcsRoleNotFound", "open https://console.cloud.tencent.com/scf once"),
    ("FailedOperation.ClsServiceUnregistered", "open https://console.cloud.tencent.com/cls once"),
    ("InvalidParameter.Cls", "open https://console.cloud.tencent.com/cls once"),
    ("FailedOperation.UnOpenedService", "open https://console.cloud.tencent.com/scf once"),
    ("FailedOperation.InsufficientBalance", "top it up"),
    ("FailedOperation.AccountInsufficient", "top it up"),
    ("ResourceUnavailable.InsufficientBalance", "top it up"),
    ("FailedOperation.InsufficientResources", "another region with --region"),
    ("InvalidParameterValue.EnvironmentExceededLimit", "4 KB"),
    ("InvalidParameterValue.EnvironmentSystemProtect", "SCF_"),
    ("InvalidParameterValue.Environment", "check its name and value"),
    ("InvalidParameterValue.ZipFile", "pack the function again"),
    ("InvalidParameterValue.ZipFileBase64BinasciiError", "pack the function again"),
    ("InvalidParameterValue.Memory", "--memory takes"),
    ("LimitExceeded.Function", "remove one"),
    ("LimitExceeded.Timeout", "--timeout takes"),
    ("LimitExceeded.InitTimeout", "initialization timeout"),
    ("LimitExceeded.Quota", "ask for more"),
    ("UnsupportedOperation.NotSupportRegion", "--region"),
    ("RequestLimitExceeded", "wait a minute"),
    ("FailedOperation.FunctionStatusError", "in a minute"),
    ("FailedOperation.FunctionNameStatusError", "in a minute"),
    ("ResourceInUse.Other", "in a minute"),
    ("InternalError.System", "in a minute"),
    ("InvalidAction", "--endpoint"),
];

#[test]
fn each_code_says_what_to_do() {
    let setup = Setup::new();
    for (code, cure) in CURES {
        setup.cloud.fail("CreateFunction", Fault::Code((*code).to_owned()));
        setup.run(&["hello.zip"]).failed().says(&["CreateFunction: ", cure, code, "11111111-2222"]);
        setup.cloud.heal();
    }
}

#[test]
fn codes_of_single_steps_say_what_to_do() {
    for (action, code, cure) in [
        ("CreateTrigger", "FailedOperation.CreateTrigger", "in a minute"),
        ("PutReservedConcurrencyConfig", "FailedOperation.ReservedInProgress", "--no-cap"),
        (
            "PutReservedConcurrencyConfig",
            "LimitExceeded.FunctionReservedConcurrencyMemory",
            "--no-cap",
        ),
        ("PutReservedConcurrencyConfig", "FailedOperation.ReservedExceedTotal", "--no-cap"),
        ("PutReservedConcurrencyConfig", "UnknownCode", "--no-cap"),
        ("CreateFunction", "ResourceNotFound.Namespace", "leave --namespace out"),
        ("CreateFunction", "InvalidParameterValue.FunctionName", "--name takes"),
    ] {
        let setup = Setup::new();
        setup.cloud.fail(action, Fault::Code(code.to_owned()));
        setup.run(&["hello.zip"]).failed().says(&[cure, code]);
    }
}

#[test]
fn unknown_code_shows_the_words_of_the_cloud() {
    let setup = Setup::new();
    let fault = Fault::Message("NewCode.Of2027".to_owned(), "do \u{1b}[31mthis\r\n".to_owned());
    setup.cloud.fail("CreateFunction", fault);
    setup.run(&["hello.zip"]).failed().says(&["do [31mthis", "NewCode.Of2027"]);
}

#[test]
fn missing_function_can_have_three_codes() {
    for code in [
        "ResourceNotFound.Function",
        "ResourceNotFound.FunctionName",
        "InvalidParameterValue.FunctionName",
    ] {
        let setup = Setup::new();
        setup.cloud.fail_times("GetFunction", Fault::Code(code.to_owned()), 1);
        setup.run(&["hello.zip"]).ok();
    }
}

#[test]
fn secrets_are_removed_from_the_words_of_the_cloud() {
    for action in ["CreateFunction", "PutReservedConcurrencyConfig", "CreateTrigger"] {
        let setup = Setup::new();
        let message = format!("value {SECRET} for AKIDstandinstandinstandin is bad");
        setup.cloud.fail(action, Fault::Message("Unknown".to_owned(), message));
        let variable = format!("KEY={SECRET}");
        setup.run(&["hello.zip", "--env", &variable]).failed().says(&["value […] for […] is bad"]);
    }
}

#[test]
fn secrets_that_the_function_has_are_removed_too() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--env", &format!("KEY={SECRET}")]).ok();
    let fault = Fault::Message("Unknown".to_owned(), format!("it has {SECRET}"));
    setup.cloud.fail("UpdateFunctionCode", fault);
    setup.run(&["hello.zip"]).failed().says(&["it has […]"]);
    setup.cloud.heal();
    setup.cloud.state().failure = Some(("UpdateFailed", "Unknown", SECRET));
    setup.run(&["hello.zip"]).failed().says(&["Unknown: […]"]);
}

#[test]
fn account_in_arrears_is_asked_to_top_up() {
    let setup = Setup::new();
    setup.run(&["hello.zip"]).ok();
    setup.cloud.state().functions.get_mut("hello").unwrap().available = "InsufficientBalance";
    setup.changes();
    setup.run(&["hello.zip"]).failed().says(&["suspended", "top it up"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn endpoint_that_refuses_connections_is_named() {
    let setup = Setup::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}");
    setup.run(&["hello.zip", "--endpoint", &endpoint]).failed().says(&[
        &address.to_string(),
        "refused",
        "retrying",
        "--endpoint",
    ]);
}

#[test]
fn page_of_a_proxy_is_no_answer() {
    let setup = Setup::new();
    setup.cloud.fail("GetFunction", Fault::Status(200));
    setup.run(&["hello.zip"]).failed().says(&["HTTP 200", "check the proxy"]);
    assert_eq!(setup.cloud.calls().len(), 1);
}

#[test]
fn endpoint_without_tls_is_not_retried() {
    let setup = Setup::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Reads to the end, so that the bytes above are not lost to a reset.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let output = setup.run(&["hello.zip", "--endpoint", &endpoint]).failed();
    server.join().unwrap();
    assert!(!output.stderr.contains("retrying"), "{}", output.stderr);
    output.says(&["TLS failed", "clock"]);
}

#[test]
fn proxy_of_the_environment_is_not_used_on_loopback() {
    let mut setup = Setup::new();
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        setup.env.push((name, "http://127.0.0.1:9".to_owned()));
    }
    setup.run(&["hello.zip"]).ok();
}

#[test]
fn proxy_of_the_environment_is_used_elsewhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut setup = Setup::new();
    setup.env.push(("HTTPS_PROXY", format!("http://{}", listener.local_addr().unwrap())));
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        BufReader::new(&stream).read_line(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
        head
    });
    setup.run(&["hello.zip", "--endpoint", "https://scf.invalid"]).failed().says(&["scf.invalid"]);
    assert_eq!(proxy.join().unwrap(), "CONNECT scf.invalid:443 HTTP/1.1\r\n");
}
