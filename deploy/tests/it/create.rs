//! A new function: `scf-deploy FUNCTION.zip`.

use crate::support::{ADDRESS, SECRET, Setup, zip};

#[test]
fn event_function_is_created_capped_and_opened() {
    let setup = Setup::new();
    let output = setup.run(&["hello.zip"]).ok();
    assert_eq!(output.stdout, format!("{ADDRESS}\ncurl '{ADDRESS}/'\n"));
    output.says(&["created hello in ap-singapore", "cap 640 MB (at most 10 instances)"]);
    assert_eq!(
        setup.changes(),
        ["CreateFunction", "PutReservedConcurrencyConfig", "CreateTrigger"]
    );
    let function = setup.function("hello");
    assert_eq!(function.code, zip("bootstrap", "one"));
    assert_eq!((&*function.kind, &*function.runtime), ("Event", "CustomRuntime"));
    assert_eq!((function.memory, function.timeout, function.cap), (64, 60, Some(640)));
}

#[test]
fn web_function_serves_many_requests_and_websockets() {
    let setup = Setup::new();
    setup.run(&["site.zip"]).ok();
    let body = setup.cloud.take_changes().remove(0).body;
    assert_eq!((&body["Type"], &body["Runtime"]), (&"HTTP".into(), &"Go1".into()));
    assert_eq!(body["Timeout"], 300);
    assert_eq!(body["InstanceConcurrencyConfig"]["DynamicEnabled"], "FALSE");
    assert_eq!(body["InstanceConcurrencyConfig"]["MaxConcurrency"], 20);
    assert_eq!(body["ProtocolType"], "WS");
    assert_eq!(body["ProtocolParams"]["WSParams"]["IdleTimeOut"], 300);
}

#[test]
fn event_function_has_no_settings_of_web_functions() {
    let setup = Setup::new();
    setup.run(&["hello.zip"]).ok();
    let body = setup.cloud.take_changes().remove(0).body;
    for member in ["InstanceConcurrencyConfig", "ProtocolType", "ProtocolParams", "Role"] {
        assert!(body[member].is_null(), "{member}");
    }
    assert_eq!(body["PublicNetConfig"]["PublicNetStatus"], "ENABLE");
    assert_eq!(body["PublicNetConfig"]["EipConfig"]["EipStatus"], "DISABLE");
}

#[test]
fn given_settings_replace_the_defaults() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--memory=256", "--timeout", "900", "--cap", "512"]).ok();
    let function = setup.function("hello");
    assert_eq!((function.memory, function.timeout, function.cap), (256, 900, Some(512)));
}

#[test]
fn default_cap_is_ten_times_the_memory() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--memory", "128"]).ok();
    assert_eq!(setup.function("hello").cap, Some(1280));
}

#[test]
fn no_cap_leaves_it_out() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--no-cap"]).ok().says(&["left as it was: no cap"]);
    assert_eq!(setup.changes(), ["CreateFunction", "CreateTrigger"]);
}

#[test]
fn variables_come_from_files_and_options() {
    let setup = Setup::new();
    let content = format!("\u{feff}# c\r\nKEY=\"{SECRET}\"\r\nA=file\r\nEMPTY=\r\n");
    setup.folder.write("a.env", content);
    setup.folder.write("b.env", "B=1\nB=two words # kept\n");
    let args = ["hello.zip", "--env-file", "a.env", "--env-file=b.env", "--env", "A=option"];
    let defaults = ["--env-default", "B=default", "--env-default", "C=default"];
    setup.run(&[&args[..], &defaults].concat()).ok().says(&["variables A B C KEY"]);
    let variables = setup.function("hello").variables;
    let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        variables,
        [("A", "option"), ("B", "two words # kept"), ("C", "default"), ("KEY", SECRET)]
    );
}

#[test]
fn variable_without_a_value_takes_that_of_the_environment() {
    let mut setup = Setup::new();
    setup.env.push(("KEY", SECRET.to_owned()));
    setup.run(&["hello.zip", "--env", "KEY"]).ok();
    assert_eq!(setup.function("hello").variables["KEY"], SECRET);
}

#[test]
fn name_region_and_namespace_can_be_given() {
    let mut setup = Setup::new();
    setup.env.push(("TENCENTCLOUD_REGION", "ap-tokyo".to_owned()));
    setup.run(&["hello.zip", "--name", "other", "--namespace", "n1"]).ok();
    setup.run(&["--region", "eu-frankfurt", "hello.zip"]).ok();
    let calls = setup.cloud.calls();
    for call in &calls {
        match call.region.as_str() {
            "ap-tokyo" => {
                let names = (&call.body["FunctionName"], &call.body["Namespace"]);
                assert_eq!(names, (&"other".into(), &"n1".into()));
            }
            region => {
                assert_eq!((region, &call.body["FunctionName"]), ("eu-frankfurt", &"hello".into()));
                assert!(call.body["Namespace"].is_null());
            }
        }
    }
    assert!(calls.iter().any(|call| call.region == "ap-tokyo"));
}

#[test]
fn refused_cap_stops_before_the_url_opens() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--cap", "51264"]).failed().says(&[
        "--no-cap",
        "LimitExceeded.FunctionReservedConcurrencyMemory",
        "not opened",
    ]);
    assert_eq!(setup.changes(), ["CreateFunction"]);
    setup.run(&["hello.zip", "--no-cap"]).ok();
    assert_eq!(setup.changes(), ["UpdateFunctionCode", "CreateTrigger"]);
}

#[test]
fn cap_below_one_instance_creates_nothing() {
    let setup = Setup::new();
    setup.run(&["hello.zip", "--memory", "128", "--cap", "64"]).failed().says(&["--cap 64", "128"]);
    assert!(setup.changes().is_empty());
}

#[test]
fn failed_creation_shows_its_reasons_and_is_begun_anew() {
    let setup = Setup::new();
    setup.cloud.state().failure =
        Some(("CreateFailed", "FailedOperation.ClsServiceUnregistered", "no CLS here"));
    setup.run(&["hello.zip", "--env", "A=1"]).failed().says(&[
        "CreateFailed",
        "no CLS here",
        "https://console.cloud.tencent.com/cls",
        "run the command again",
    ]);
    assert_eq!(setup.changes(), ["CreateFunction"]);
    setup.cloud.state().failure = None;
    setup.cloud.state().looks = 20;
    let output = setup.run(&["hello.zip"]).ok();
    assert_eq!(output.stdout.lines().next(), Some(ADDRESS));
    assert_eq!(
        setup.changes(),
        ["DeleteFunction", "CreateFunction", "PutReservedConcurrencyConfig", "CreateTrigger"]
    );
    assert_eq!(setup.function("hello").variables["A"], "1");
}

#[test]
fn function_that_is_being_deleted_is_waited_for() {
    let setup = Setup::new();
    setup.run(&["hello.zip"]).ok();
    setup.cloud.state().delete("hello");
    setup.changes();
    setup.run(&["hello.zip"]).ok().says(&["hello: Deleting", "created hello"]);
    assert_eq!(setup.changes()[0], "CreateFunction");
}

#[test]
fn address_without_tls_is_refused() {
    let setup = Setup::new();
    setup.cloud.state().address = "ftp://example.com".to_owned();
    setup.run(&["hello.zip"]).failed().says(&["no public https address"]);
}

#[test]
fn address_that_comes_late_is_waited_for() {
    let setup = Setup::new();
    setup.cloud.state().late_address = 3;
    assert!(setup.run(&["hello.zip"]).ok().stdout.starts_with(ADDRESS));
}

#[test]
fn result_can_be_json() {
    let setup = Setup::new();
    let output = setup.run(&["hello.zip", "--json"]).ok();
    let result: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&result["url"], &result["created"]), (&ADDRESS.into(), &true.into()));
    assert_eq!((&result["name"], &result["region"]), (&"hello".into(), &"ap-singapore".into()));
}
